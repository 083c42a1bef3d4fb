-- Add the outcomes to the totals, and return the results.
counted AS (
    INSERT INTO outcome_totals AS totals (slot, applied, unchanged, duplicate, stale, superseded)
    SELECT
        pg_backend_pid() % 16,
        count(*) FILTER (WHERE outcome = 'applied'),
        count(*) FILTER (WHERE outcome = 'unchanged'),
        count(*) FILTER (WHERE outcome = 'duplicate'),
        count(*) FILTER (WHERE outcome = 'stale'),
        count(*) FILTER (WHERE outcome = 'superseded')
    FROM entered
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
FROM entered
