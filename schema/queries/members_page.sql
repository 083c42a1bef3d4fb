-- Lock a page of users, in the one order that every transaction keeps.
-- $1 VARCHAR: the last Stripe customer id of the page before; empty for the first
-- $2 INTEGER: maximum number of rows
SELECT
    user_id,
    stripe_customer_id
FROM users
WHERE stripe_customer_id > $1::VARCHAR
ORDER BY stripe_customer_id
LIMIT $2::INTEGER
FOR NO KEY UPDATE
