-- List random rows of all kinds; reads every table completely.
-- $1 BIGINT: maximum number of rows
SELECT
    one.kind,
    one.object_id,
    one.customer_id
FROM (
    SELECT
        'customer' AS kind,
        stripe_customer_id AS object_id,
        stripe_customer_id AS customer_id
    FROM users
    -- for each kind
    UNION ALL
    SELECT
        '{name}',
        s.{stripe_id},
        u.stripe_customer_id
    FROM {table} AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    -- end
) AS one
ORDER BY random()
LIMIT $1::BIGINT
