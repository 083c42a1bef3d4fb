-- Lock the rows of all customers that have these addresses, in Stripe or to sign in with, or fail at once: the transaction
-- already holds locks on rows, and waiting out of order could cause a deadlock.
-- $1 VARCHAR[]: addresses in their canonical form
SELECT
    -- include users_columns
FROM users
WHERE
    claimed_email = ANY($1::VARCHAR[])
    OR stripe_email = ANY($1::VARCHAR[])
    OR email = ANY($1::VARCHAR[])
ORDER BY stripe_customer_id
FOR NO KEY UPDATE NOWAIT
