-- Write what became of events of which some were dead, and count it. Gives back how many were written: one
-- that got another outcome meanwhile is left alone, and the transaction has to run again. Also gives back whether
-- statuses are decided on that make members.
-- $1 VARCHAR[]: event ids
-- $2 BIGINT[]: their own seconds, Unix time
-- $3 VARCHAR[]: types
-- $4 VARCHAR[]: customer ids
-- $5 VARCHAR[]: object ids
-- $6 BIGINT[]: received, Unix milliseconds
-- $7 VARCHAR[]: outcomes
-- $8 VARCHAR[]: reasons
-- $9 VARCHAR[]: events that superseded them
-- $10 INTEGER[]: attempts
-- $11 VARCHAR[]: sources
WITH entry AS (
    INSERT INTO webhook_events AS before (
        event_id, event_created_at, event_type, customer_id, object_id, received_at,
        outcome, reason, superseded_by, attempts, source
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
        new.source
    FROM unnest(
        $1::TEXT::VARCHAR[], $2::TEXT::BIGINT[], $3::TEXT::VARCHAR[], $4::TEXT::VARCHAR[],
        $5::TEXT::VARCHAR[], $6::TEXT::BIGINT[], $7::TEXT::VARCHAR[], $8::TEXT::VARCHAR[],
        $9::TEXT::VARCHAR[], $10::TEXT::INTEGER[], $11::TEXT::VARCHAR[]
    ) AS new (
        event_id, created, event_type, customer_id, object_id, received_ms,
        outcome, reason, superseded_by, attempts, source
    )
    ON CONFLICT (event_id, event_created_at) DO UPDATE
    SET
        settled_at = now(),
        outcome = excluded.outcome,
        reason = excluded.reason,
        superseded_by = excluded.superseded_by,
        attempts = excluded.attempts,
        source = excluded.source
    WHERE before.outcome = 'dead'
    RETURNING outcome
),

counted AS (
    INSERT INTO outcome_totals AS totals (slot, applied, unchanged, duplicate, stale, superseded)
    SELECT
        pg_backend_pid() % 16,
        count(*) FILTER (WHERE outcome = 'applied'),
        count(*) FILTER (WHERE outcome = 'unchanged'),
        count(*) FILTER (WHERE outcome = 'duplicate'),
        count(*) FILTER (WHERE outcome = 'stale'),
        count(*) FILTER (WHERE outcome = 'superseded')
    FROM entry
    ON CONFLICT (slot) DO UPDATE
    SET
        applied = totals.applied + excluded.applied,
        unchanged = totals.unchanged + excluded.unchanged,
        duplicate = totals.duplicate + excluded.duplicate,
        stale = totals.stale + excluded.stale,
        superseded = totals.superseded + excluded.superseded
)

SELECT
    count(*) AS written,
    EXISTS (SELECT FROM member_statuses WHERE id AND statuses <> '{}') AS members_follow
FROM entry
