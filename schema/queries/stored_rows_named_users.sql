-- Name customers that Stripe should list, in the order of their ids: those that are not deleted.
-- $1 VARCHAR: after which id
-- $2 BIGINT: how many at most
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
