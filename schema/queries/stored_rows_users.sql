-- Read customers' rows as they are.
-- $1 VARCHAR[]: Stripe customer ids
SELECT
    u.stripe_customer_id AS object_id,
    u.stripe_customer_id,
    u.name,
    u.phone,
    u.address,
    u.metadata,
    extract(EPOCH FROM u.stripe_created_at)::BIGINT AS stripe_created_at,
    extract(EPOCH FROM u.stripe_updated_at)::BIGINT AS shown_created,
    u.last_webhook_event_id,
    u.stripe_email,
    u.deleted_at IS NOT NULL AS deleted,
    u.forgotten_at IS NOT NULL AS forgotten,
    u.evidence,
    u.email
FROM users AS u
WHERE u.stripe_customer_id = ANY($1::VARCHAR[])
