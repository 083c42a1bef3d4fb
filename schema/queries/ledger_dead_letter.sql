-- Record in the ledger that events became dead letters, and count them; returns those recorded. An event that was applied
-- meanwhile stays applied; a thin event, which Stripe's answer supersedes, can still become a dead letter if there is no answer.
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
