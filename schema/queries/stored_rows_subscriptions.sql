-- Read subscriptions' rows as they are.
-- $1 VARCHAR[]: Stripe subscription ids
SELECT
    s.stripe_subscription_id AS object_id,
    u.stripe_customer_id,
    s.product_id,
    s.status,
    extract(EPOCH FROM s.current_period_start)::BIGINT AS current_period_start,
    extract(EPOCH FROM s.current_period_end)::BIGINT AS current_period_end,
    s.metadata,
    extract(EPOCH FROM s.stripe_created_at)::BIGINT AS stripe_created_at,
    extract(EPOCH FROM s.stripe_updated_at)::BIGINT AS shown_created,
    s.last_webhook_event_id,
    s.evidence
FROM subscriptions AS s
INNER JOIN users AS u ON s.user_id = u.user_id
WHERE s.stripe_subscription_id = ANY($1::VARCHAR[])
