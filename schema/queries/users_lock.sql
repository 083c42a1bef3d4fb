-- Lock the rows of these customers, in the one order that every transaction keeps.
-- $1 VARCHAR[]: Stripe customer ids
SELECT
    user_id,
    email,
    stripe_customer_id,
    name,
    phone,
    address,
    metadata,
    extract(EPOCH FROM stripe_created_at)::BIGINT AS stripe_created_at,
    last_webhook_event_id,
    stripe_email,
    claimed_email,
    deleted_at IS NOT NULL AS deleted,
    evidence,
    unsure
FROM users
WHERE stripe_customer_id = ANY($1::VARCHAR[])
ORDER BY stripe_customer_id
FOR NO KEY UPDATE
