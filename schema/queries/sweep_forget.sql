-- Stop waiting for these events to be in the ledger.
-- $1 VARCHAR[]: event ids
DELETE FROM awaited_events WHERE event_id = ANY($1::VARCHAR[])
