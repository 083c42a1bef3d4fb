-- Read a customer's subscriptions, the newest first.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 INTEGER: at most so many
SELECT
    s.stripe_subscription_id AS subscription_id,
    s.product_id,
    s.status,
    s.current_period_start,
    s.current_period_end,
    s.stripe_created_at,
    s.synced_at,
    s.last_webhook_event_id,
    s.unsure
FROM users AS u
INNER JOIN subscriptions AS s ON u.user_id = s.user_id
WHERE u.stripe_customer_id = $1::VARCHAR
ORDER BY
    s.stripe_created_at DESC NULLS LAST,
    s.stripe_subscription_id ASC
LIMIT $2::INTEGER
