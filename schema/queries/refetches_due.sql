-- Find objects that Stripe has to be asked for: no thin event has named them again for a while, or they have waited for
-- long. The longest wait comes first.
-- $1 DOUBLE: minimum seconds since the last thin event
-- $2 DOUBLE: or minimum seconds since the wait began
-- $3 VARCHAR[]: ids of objects to leave out
-- $4 BIGINT: maximum number of objects
-- $5 VARCHAR[]: the kinds that this release knows
SELECT
    kind,
    object_id,
    ends,
    raw_body,
    extract(EPOCH FROM now() - waits_since)::DOUBLE PRECISION AS waited_seconds
FROM notices
WHERE
    waits_since <= now()
    AND (
        noticed_at < now() - make_interval(secs => $1::DOUBLE PRECISION)
        OR waits_since < now() - make_interval(secs => $2::DOUBLE PRECISION)
    )
    AND object_id <> ALL($3::VARCHAR[])
    AND kind = ANY($5::VARCHAR[])
ORDER BY waits_since, object_id
LIMIT $4::BIGINT
