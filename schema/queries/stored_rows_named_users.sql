-- List stored customers that Stripe should list too, in the order of their ids: those that are not deleted.
-- $1 VARCHAR: only ids after this one
-- $2 BIGINT: maximum number of rows
SELECT
    'customer' AS kind,
    stripe_customer_id AS object_id,
    stripe_customer_id AS customer_id
FROM users
WHERE
    stripe_customer_id > $1::VARCHAR
    AND deleted_at IS NULL
ORDER BY stripe_customer_id
LIMIT $2::BIGINT
