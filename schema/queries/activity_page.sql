-- List what operators did, newest first: activity, and actions on single dead letters. If "about" is NULL, actions within
-- bulk operations are left out, and so are those of workers, unless "who" is worker.
-- $1 VARCHAR: who; NULL for all, as with the next two
-- $2 VARCHAR: action
-- $3 VARCHAR: about, a customer, object or event
-- $4 BIGINT: only numbers below this one, for the next page
-- $5 INTEGER: maximum number of rows
(
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
)
UNION ALL
(
    SELECT
        a.id,
        a.happened_at,
        a.who,
        a.action,
        letter.customer_id,
        coalesce(a.why, ''),
        jsonb_strip_nulls(
            jsonb_build_object('letter', letter.id, 'event', letter.event_id, 'operation', a.operation_id)
        )
    FROM dead_letter_actions AS a
    INNER JOIN dead_letters AS letter ON a.letter_id = letter.id
    WHERE
        ($1::VARCHAR IS NULL OR a.who = $1::VARCHAR)
        AND ($2::VARCHAR IS NULL OR a.action = $2::VARCHAR)
        AND (
            letter.customer_id = $3::VARCHAR
            OR letter.object_id = $3::VARCHAR
            OR letter.event_id = $3::VARCHAR
            OR ($3::VARCHAR IS NULL AND a.operation_id IS NULL AND (a.who <> 'worker' OR $1::VARCHAR = 'worker'))
        )
        AND ($4::BIGINT IS NULL OR a.id < $4::BIGINT)
    ORDER BY a.id DESC
    LIMIT $5::INTEGER
)
ORDER BY id DESC
LIMIT $5::INTEGER
