-- Read the customers whose rows changed last, through the ledger: users has no index by time, so that most of its
-- updates touch no index.
-- $1 INTEGER: seconds to look back
-- $2 INTEGER: maximum number of rows
WITH changed AS (
    SELECT
        object_id,
        max(settled_at) AS changed_at
    FROM webhook_events
    WHERE
        settled_at > now() - make_interval(secs => $1::INTEGER)
        AND outcome = 'applied'
        AND event_type IN ('customer.created', 'customer.updated', 'customer.deleted', 'customer.fetched')
    GROUP BY object_id
    ORDER BY
        changed_at DESC,
        object_id ASC
    LIMIT $2::INTEGER
)

SELECT
    u.stripe_customer_id AS customer_id,
    u.email,
    u.name,
    u.deleted_at IS NOT NULL AS deleted,
    extract(EPOCH FROM now() - c.changed_at)::FLOAT8 AS age_seconds
FROM changed AS c
INNER JOIN users AS u ON c.object_id = u.stripe_customer_id
ORDER BY
    age_seconds ASC,
    customer_id ASC
