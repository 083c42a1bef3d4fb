-- Lock the rows of these customers and of all who have these addresses, in Stripe or to sign in with, in the one
-- order that every transaction keeps. What a release without claimed_email wrote is found by stripe_email.
-- $1 VARCHAR[]: Stripe customer ids
-- $2 VARCHAR[]: addresses in their canonical form
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
WHERE
    stripe_customer_id = ANY($1::VARCHAR[])
    OR claimed_email = ANY($2::VARCHAR[])
    OR stripe_email = ANY($2::VARCHAR[])
    OR email = ANY($2::VARCHAR[])
ORDER BY stripe_customer_id
FOR NO KEY UPDATE
