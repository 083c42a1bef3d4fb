-- Read the customers whose rows changed last, by way of the ledger: users has no index by time, so that
-- most of its updates touch no index.
-- $1 INTEGER: seconds to look back
-- $2 INTEGER: at most so many
SELECT
    u.stripe_customer_id AS customer_id,
    u.email,
    u.name,
    u.deleted_at IS NOT NULL AS deleted,
    extract(EPOCH FROM now() - max(e.settled_at))::FLOAT8 AS age_seconds
FROM webhook_events AS e
INNER JOIN users AS u ON e.object_id = u.stripe_customer_id
WHERE
    e.settled_at > now() - make_interval(secs => $1::INTEGER)
    AND e.outcome = 'applied'
GROUP BY u.user_id
ORDER BY
    age_seconds ASC,
    u.user_id ASC
LIMIT $2::INTEGER
