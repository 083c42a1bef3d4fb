-- Write that events are dead, and count it; returns those that are. One that was applied meanwhile stays so; a thin one,
-- which is superseded by Stripe's answer, may still die when there is none.
WITH entered AS (
    -- include ledger_rows
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
