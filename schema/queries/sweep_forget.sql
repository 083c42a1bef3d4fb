-- Stop waiting for these events.
-- $1 VARCHAR[]: event ids
DELETE FROM awaited_events WHERE event_id = ANY($1::VARCHAR[])
