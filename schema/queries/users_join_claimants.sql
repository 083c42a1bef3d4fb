-- Lock the rows of all who have these addresses, in Stripe or to sign in with, or fail at once: the transaction
-- already holds rows, and waiting out of order could be a deadlock.
-- $1 VARCHAR[]: addresses in their canonical form
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
    claimed_email = ANY($1::VARCHAR[])
    OR stripe_email = ANY($1::VARCHAR[])
    OR email = ANY($1::VARCHAR[])
ORDER BY stripe_customer_id
FOR NO KEY UPDATE NOWAIT
