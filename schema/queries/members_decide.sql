-- Say which statuses of a subscription make a member, for all that write rows. A row comes back when that is a change.
-- $1 VARCHAR[]: statuses, sorted; none of them: roles are left alone
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
