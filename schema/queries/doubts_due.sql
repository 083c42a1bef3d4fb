-- Find unsure rows that nothing has been written to for a while, the longest first.
-- $1 DOUBLE: seconds since the last write
-- $2 VARCHAR[]: objects to leave out
-- $3 BIGINT: how many at most
SELECT
    doubt.kind,
    doubt.object_id
FROM (
    SELECT
        'customer' AS kind,
        stripe_customer_id AS object_id,
        synced_at
    FROM users
    WHERE unsure
    UNION ALL
    SELECT
        'subscription',
        stripe_subscription_id,
        synced_at
    FROM subscriptions
    WHERE unsure
) AS doubt
WHERE
    doubt.synced_at < now() - make_interval(secs => $1::DOUBLE PRECISION)
    AND doubt.object_id <> ALL($2::VARCHAR[])
ORDER BY doubt.synced_at, doubt.object_id
LIMIT $3::BIGINT
