-- Write what became of events that were dead and have now been applied after all.
-- $1 VARCHAR[]: event ids
-- $2 BIGINT[]: their own seconds, Unix time
-- $3 VARCHAR[]: outcomes
-- $4 VARCHAR[]: reasons
-- $5 VARCHAR[]: events that superseded them
-- $6 INTEGER[]: attempts
-- $7 VARCHAR[]: sources
UPDATE webhook_events
SET
    settled_at = now(),
    outcome = new.outcome,
    reason = new.reason,
    superseded_by = new.superseded_by,
    attempts = new.attempts,
    source = new.source
FROM unnest(
    $1::VARCHAR[], $2::BIGINT[], $3::VARCHAR[], $4::VARCHAR[], $5::VARCHAR[], $6::INTEGER[], $7::VARCHAR[]
) AS new (event_id, created, outcome, reason, superseded_by, attempts, source)
WHERE
    webhook_events.event_id = new.event_id
    AND webhook_events.event_created_at = to_timestamp(new.created)
    AND webhook_events.outcome = 'dead'
