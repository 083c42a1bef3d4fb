-- Read the claims of all customers with these addresses in Stripe. Rows that a release without claimed_email wrote are found by
-- stripe_email.
-- $1 VARCHAR[]: addresses in their canonical form
SELECT
    stripe_customer_id,
    stripe_email,
    extract(EPOCH FROM stripe_created_at)::BIGINT AS stripe_created_at,
    deleted_at IS NOT NULL AS deleted
FROM users
WHERE
    claimed_email = ANY($1::VARCHAR[])
    OR stripe_email = ANY($1::VARCHAR[])
