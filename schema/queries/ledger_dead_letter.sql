-- Write that events are dead, and count it; gives back those that are. One that was applied meanwhile stays so;
-- a thin one may die of what it is asked for.
-- $1 VARCHAR[]: event ids
-- $2 BIGINT[]: their own seconds, Unix time
-- $3 VARCHAR[]: types
-- $4 VARCHAR[]: customer ids
-- $5 VARCHAR[]: object ids
-- $6 BIGINT[]: received, Unix milliseconds
-- $7 VARCHAR[]: reasons
-- $8 INTEGER[]: attempts
-- $9 VARCHAR[]: sources
WITH entered AS (
    INSERT INTO webhook_events AS entry (
        event_id, event_created_at, event_type, customer_id, object_id, received_at,
        outcome, reason, attempts, source
    )
    SELECT
        new.event_id,
        to_timestamp(new.created),
        new.event_type,
        new.customer_id,
        new.object_id,
        to_timestamp(new.received_ms / 1000.0),
        'dead',
        new.reason,
        new.attempts,
        new.source
    FROM unnest(
        $1::TEXT::VARCHAR[], $2::TEXT::BIGINT[], $3::TEXT::VARCHAR[], $4::TEXT::VARCHAR[],
        $5::TEXT::VARCHAR[], $6::TEXT::BIGINT[], $7::TEXT::VARCHAR[], $8::TEXT::INTEGER[],
        $9::TEXT::VARCHAR[]
    ) AS new (event_id, created, event_type, customer_id, object_id, received_ms, reason, attempts, source)
    ON CONFLICT (event_id, event_created_at) DO UPDATE
    SET
        settled_at = now(),
        outcome = excluded.outcome,
        reason = excluded.reason,
        attempts = excluded.attempts,
        source = excluded.source
    WHERE entry.outcome = 'dead' OR entry.reason = 'asked'
    RETURNING event_id
),

counted AS (
    INSERT INTO outcome_totals AS totals (slot, dead)
    SELECT
        pg_backend_pid() % 16,
        count(*)
    FROM entered
    ON CONFLICT (slot) DO UPDATE
    SET dead = totals.dead + excluded.dead
)

SELECT event_id
FROM entered
