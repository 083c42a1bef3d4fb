-- Read what became of some events: one probe of each day's primary key for each.
-- $1 VARCHAR[]: Stripe's ids of the events
SELECT
    -- include ledger_columns
FROM webhook_events
WHERE event_id = ANY($1::VARCHAR[])
