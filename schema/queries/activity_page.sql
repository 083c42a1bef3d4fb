-- List what operators did, newest first: their activity and, as lines of the same list, what they did to single letters.
-- What a worker did to letters is listed where it is asked for.
-- $1 VARCHAR: who; NULL for all, as with each of the following
-- $2 VARCHAR: action
-- $3 VARCHAR: about, a customer, object or event
-- $4 BIGINT: only numbers below this one, to page on
-- $5 INTEGER: at most so many
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
        AND ($3::VARCHAR IS NULL OR about = $3::VARCHAR)
        AND ($4::BIGINT IS NULL OR id < $4::BIGINT)
    ORDER BY id DESC
    LIMIT $5::INTEGER
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
        AND (a.who <> 'worker' OR $1::VARCHAR = 'worker')
        AND ($1::VARCHAR IS NULL OR a.who = $1::VARCHAR)
        AND ($2::VARCHAR IS NULL OR a.action = $2::VARCHAR)
        AND (
            $3::VARCHAR IS NULL
            OR a.letter_id = ANY(
                ARRAY(
                    SELECT mine.id
                    FROM dead_letters AS mine
                    WHERE
                        mine.customer_id = $3::VARCHAR
                        OR mine.object_id = $3::VARCHAR
                        OR mine.event_id = $3::VARCHAR
                )
            )
        )
        AND ($4::BIGINT IS NULL OR a.id < $4::BIGINT)
    ORDER BY a.id DESC
    LIMIT $5::INTEGER
)

SELECT *
FROM line
UNION ALL
SELECT *
FROM letter_line
ORDER BY id DESC
LIMIT $5::INTEGER
