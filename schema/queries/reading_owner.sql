-- Find whose a subscription, an event or a dead letter is.
-- $1 VARCHAR: Stripe's id of any of them
SELECT u.stripe_customer_id AS customer_id
FROM subscriptions AS s
INNER JOIN users AS u ON s.user_id = u.user_id
WHERE s.stripe_subscription_id = $1::VARCHAR
UNION ALL
SELECT e.customer_id
FROM webhook_events AS e
WHERE e.event_id = $1::VARCHAR
UNION ALL
SELECT d.customer_id
FROM dead_letters AS d
WHERE d.event_id = $1::VARCHAR OR d.object_id = $1::VARCHAR
LIMIT 1
