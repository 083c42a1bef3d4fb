-- Read what became of one event: one probe of each day's primary key.
-- $1 VARCHAR: Stripe's id of the event
SELECT
    -- include ledger_columns
FROM webhook_events
WHERE event_id = $1::VARCHAR
LIMIT 1
