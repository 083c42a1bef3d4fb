-- Find unsure rows that nothing has been written to for a while, the longest first.
-- $1 DOUBLE: seconds since the last write
-- $2 VARCHAR[]: objects to leave out
-- $3 BIGINT: how many at most
SELECT
    doubt.kind,
    doubt.object_id,
    doubt.customer_id
FROM (
    SELECT
        'customer' AS kind,
        u.stripe_customer_id AS object_id,
        u.stripe_customer_id AS customer_id,
        u.synced_at
    FROM users AS u
    WHERE u.unsure
    UNION ALL
    SELECT
        'subscription',
        s.stripe_subscription_id,
        u.stripe_customer_id,
        s.synced_at
    FROM subscriptions AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    WHERE s.unsure
) AS doubt
WHERE
    doubt.synced_at < now() - make_interval(secs => $1::DOUBLE PRECISION)
    AND doubt.object_id <> ALL($2::VARCHAR[])
ORDER BY doubt.synced_at, doubt.object_id
LIMIT $3::BIGINT
