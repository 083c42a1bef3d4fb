-- Lock the rows of these customers, in the one order that every transaction keeps.
-- $1 VARCHAR[]: Stripe customer ids
SELECT
    -- include users_columns
FROM users
WHERE stripe_customer_id = ANY($1::VARCHAR[])
ORDER BY stripe_customer_id
FOR NO KEY UPDATE
