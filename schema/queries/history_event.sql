-- Read what became of one event: a probe of each day's primary key.
-- $1 VARCHAR: Stripe's id of the event
SELECT
    event_id,
    event_type,
    object_id,
    event_created_at,
    received_at,
    settled_at,
    outcome,
    reason,
    superseded_by,
    attempts,
    source
FROM webhook_events
WHERE event_id = $1::VARCHAR
LIMIT 1
