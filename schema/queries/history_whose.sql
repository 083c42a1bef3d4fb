-- Find the customers that an id or address is about: of a customer, a subscription, an event.
-- $1 VARCHAR: the id or address
-- $2 VARCHAR: the same as an address in its canonical form
SELECT stripe_customer_id AS customer_id
FROM users
WHERE stripe_customer_id = $1::VARCHAR
UNION
SELECT stripe_customer_id
FROM users
WHERE email = $2::VARCHAR
UNION
SELECT stripe_customer_id
FROM users
WHERE claimed_email = $2::VARCHAR
UNION
SELECT stripe_customer_id
FROM users
WHERE stripe_email = $1::VARCHAR
UNION
SELECT u.stripe_customer_id
FROM subscriptions AS s
INNER JOIN users AS u ON s.user_id = u.user_id
WHERE s.stripe_subscription_id = $1::VARCHAR
UNION
SELECT coalesce(u.stripe_customer_id, e.customer_id)
FROM webhook_events AS e
LEFT JOIN subscriptions AS s ON e.customer_id = s.stripe_subscription_id
LEFT JOIN users AS u ON s.user_id = u.user_id
WHERE e.event_id = $1::VARCHAR
UNION
SELECT customer_id
FROM dead_letters
WHERE event_id = $1::VARCHAR
UNION
SELECT customer_id
FROM dead_letters
WHERE object_id = $1::VARCHAR
ORDER BY customer_id
LIMIT 100
