-- List what operators did, newest first: their activity and, as lines of the same list, what they did to single letters.
-- $1 VARCHAR: who; NULL for all, as with the next
-- $2 VARCHAR: action
-- $3 BIGINT: only numbers below this one, to page on
-- $4 INTEGER: at most so many
WITH line AS (
    SELECT
        id,
        happened_at AS at,
        who,
        action,
        about,
        why,
        details
    FROM activity
    WHERE
        ($1::VARCHAR IS NULL OR who = $1::VARCHAR)
        AND ($2::VARCHAR IS NULL OR action = $2::VARCHAR)
        AND ($3::BIGINT IS NULL OR id < $3::BIGINT)
    ORDER BY id DESC
    LIMIT $4::INTEGER
),

letter_line AS (
    SELECT
        a.id,
        a.happened_at AS at,
        a.who,
        a.action,
        letter.customer_id AS about,
        coalesce(a.why, '') AS why,
        jsonb_build_object('letter', letter.id, 'event', letter.event_id) AS details
    FROM dead_letter_actions AS a
    INNER JOIN dead_letters AS letter ON letter.id = a.letter_id
    WHERE
        a.operation_id IS NULL
        AND a.who <> 'worker'
        AND ($1::VARCHAR IS NULL OR a.who = $1::VARCHAR)
        AND ($2::VARCHAR IS NULL OR a.action = $2::VARCHAR)
        AND ($3::BIGINT IS NULL OR a.id < $3::BIGINT)
    ORDER BY a.id DESC
    LIMIT $4::INTEGER
)

SELECT
    id,
    at,
    who,
    action,
    about,
    why,
    details
FROM line
UNION ALL
SELECT
    id,
    at,
    who,
    action,
    about,
    why,
    details
FROM letter_line
ORDER BY id DESC
LIMIT $4::INTEGER
