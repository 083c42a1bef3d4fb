-- Lock these subscriptions' rows and all of these users, in the one order that every transaction keeps; after
-- their owners' rows.
-- $1 VARCHAR[]: Stripe subscription ids
-- $2 UUID[]: user ids
SELECT
    s.subscription_id,
    s.stripe_subscription_id,
    u.stripe_customer_id,
    s.product_id,
    s.status,
    extract(EPOCH FROM s.current_period_start)::BIGINT AS current_period_start,
    extract(EPOCH FROM s.current_period_end)::BIGINT AS current_period_end,
    s.metadata,
    extract(EPOCH FROM s.stripe_created_at)::BIGINT AS stripe_created_at,
    s.last_webhook_event_id,
    s.evidence,
    s.unsure
FROM subscriptions AS s
INNER JOIN users AS u ON u.user_id = s.user_id
WHERE
    s.stripe_subscription_id = ANY($1::VARCHAR[])
    OR s.user_id = ANY($2::UUID[])
ORDER BY s.stripe_subscription_id
FOR NO KEY UPDATE OF s
