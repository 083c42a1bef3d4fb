-- List awaited events, the oldest first, a page at a time.
-- $1 BIGINT: second of the last event of the page before, Unix time; 0 for the first page
-- $2 VARCHAR: its id; empty for the first page
-- $3 BIGINT: maximum number of events
SELECT
    event_id,
    extract(EPOCH FROM event_created_at)::BIGINT AS created
FROM awaited_events
WHERE (event_created_at, event_id) > (to_timestamp($1::BIGINT), $2::VARCHAR)
ORDER BY event_created_at, event_id
LIMIT $3::BIGINT
