-- Give events that are waited for, the oldest first.
-- $1 BIGINT: how many at most
SELECT
    event_id,
    extract(EPOCH FROM event_created_at)::BIGINT AS created
FROM awaited_events
ORDER BY event_created_at, event_id
LIMIT $1::BIGINT
