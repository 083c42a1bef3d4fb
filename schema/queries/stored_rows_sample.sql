-- List random rows of all kinds. Reads random pages of the tables, about so many however large the tables are, and all pages of
-- small tables: each page is read with the same probability, so that each row may be listed with the same.
-- $1 BIGINT: maximum number of rows
WITH storage AS (
    SELECT
        pg_relation_size('users')
        -- for each kind
        + pg_relation_size('{table}')
        -- end
        AS bytes
),

-- Several times as many pages as rows, so that few rows are neighbours, and that pages without rows do not matter.
chosen AS (
    SELECT
        least(
            100,
            100.0 * (4 * $1::BIGINT + 100) * current_setting('block_size')::BIGINT / greatest(bytes, 1)
        )::REAL AS percent
    FROM storage
),

read AS (
    SELECT
        'customer' AS kind,
        u.stripe_customer_id AS object_id,
        u.user_id
    FROM users AS u TABLESAMPLE SYSTEM ((SELECT percent FROM chosen))
    -- for each kind
    UNION ALL
    SELECT
        '{name}',
        s.{stripe_id},
        s.user_id
    FROM {table} AS s TABLESAMPLE SYSTEM ((SELECT percent FROM chosen))
    -- end
),

one AS (
    SELECT
        kind,
        object_id,
        user_id
    FROM read
    ORDER BY random()
    LIMIT $1::BIGINT
)

SELECT
    one.kind,
    one.object_id,
    u.stripe_customer_id AS customer_id
FROM one
INNER JOIN users AS u ON one.user_id = u.user_id
