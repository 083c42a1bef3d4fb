-- List stored objects that Stripe should list too, in the order of their ids.
-- $1 VARCHAR: only ids after this one
-- $2 BIGINT: maximum number of rows
SELECT
    '{name}' AS kind,
    s.{stripe_id} AS object_id,
    u.stripe_customer_id AS customer_id
FROM {table} AS s
INNER JOIN users AS u ON s.user_id = u.user_id
WHERE s.{stripe_id} > $1::VARCHAR
ORDER BY s.{stripe_id}
LIMIT $2::BIGINT
