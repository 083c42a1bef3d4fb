-- Write the outcomes of events into the ledger.
-- $1 VARCHAR[]: event ids
-- $2 BIGINT[]: when Stripe created them, Unix seconds
-- $3 VARCHAR[]: types
-- $4 VARCHAR[]: customer ids
-- $5 VARCHAR[]: object ids
-- $6 BIGINT[]: received, Unix milliseconds
-- $7 VARCHAR[]: outcomes
-- $8 VARCHAR[]: reasons
-- $9 VARCHAR[]: ids of the events that superseded them
-- $10 INTEGER[]: attempts
-- $11 VARCHAR[]: sources
-- $12 VARCHAR[]: statuses before
-- $13 VARCHAR[]: statuses after
INSERT INTO webhook_events AS entry (
    event_id, event_created_at, event_type, customer_id, object_id, received_at,
    outcome, reason, superseded_by, attempts, source, status_before, status_after
)
SELECT
    new.event_id,
    to_timestamp(new.created),
    new.event_type,
    new.customer_id,
    new.object_id,
    to_timestamp(new.received_ms / 1000.0),
    new.outcome,
    new.reason,
    new.superseded_by,
    new.attempts,
    new.source,
    new.status_before,
    new.status_after
FROM unnest(
    $1::TEXT::VARCHAR[], $2::TEXT::BIGINT[], $3::TEXT::VARCHAR[], $4::TEXT::VARCHAR[],
    $5::TEXT::VARCHAR[], $6::TEXT::BIGINT[], $7::TEXT::VARCHAR[], $8::TEXT::VARCHAR[],
    $9::TEXT::VARCHAR[], $10::TEXT::INTEGER[], $11::TEXT::VARCHAR[], $12::TEXT::VARCHAR[],
    $13::TEXT::VARCHAR[]
) AS new (
    event_id, created, event_type, customer_id, object_id, received_ms,
    outcome, reason, superseded_by, attempts, source, status_before, status_after
)
