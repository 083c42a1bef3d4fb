-- Lock the rows of these customers and of all that have these addresses, in Stripe or to sign in with, in the one
-- order that every transaction keeps. Rows that a release without claimed_email wrote are found by stripe_email.
-- $1 VARCHAR[]: Stripe customer ids
-- $2 VARCHAR[]: addresses in their canonical form
SELECT
    -- include users_columns
FROM users
WHERE
    stripe_customer_id = ANY($1::VARCHAR[])
    OR claimed_email = ANY($2::VARCHAR[])
    OR stripe_email = ANY($2::VARCHAR[])
    OR email = ANY($2::VARCHAR[])
ORDER BY stripe_customer_id
FOR NO KEY UPDATE
