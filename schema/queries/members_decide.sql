-- Set which statuses of a subscription make a member, for every process that writes rows. Returns a row if they changed.
-- $1 VARCHAR[]: statuses, sorted; if empty, roles are not changed
WITH before AS (
    SELECT statuses
    FROM member_statuses
),

decided AS (
    INSERT INTO member_statuses AS known (statuses)
    VALUES ($1::VARCHAR[])
    ON CONFLICT (id) DO UPDATE
    SET
        statuses = excluded.statuses,
        decided_at = now()
    WHERE known.statuses IS DISTINCT FROM excluded.statuses
    RETURNING known.statuses
)

SELECT (SELECT before.statuses FROM before) AS statuses_before
FROM decided
