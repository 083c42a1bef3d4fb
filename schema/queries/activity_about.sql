-- List what was done about something, newest first, as activity_page does for everything; what workers did to its letters, too.
-- $1 VARCHAR: about, a customer, object or event
-- $2 VARCHAR: who; NULL for all, as with the next
-- $3 VARCHAR: action
-- $4 BIGINT: only numbers below this one, to page on
-- $5 INTEGER: at most so many
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
    about = $1::VARCHAR
    AND ($2::VARCHAR IS NULL OR who = $2::VARCHAR)
    AND ($3::VARCHAR IS NULL OR action = $3::VARCHAR)
    AND ($4::BIGINT IS NULL OR id < $4::BIGINT)
UNION ALL
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
FROM dead_letters AS letter
INNER JOIN dead_letter_actions AS a ON a.letter_id = letter.id
WHERE
    (letter.customer_id = $1::VARCHAR OR letter.object_id = $1::VARCHAR OR letter.event_id = $1::VARCHAR)
    AND ($2::VARCHAR IS NULL OR a.who = $2::VARCHAR)
    AND ($3::VARCHAR IS NULL OR a.action = $3::VARCHAR)
    AND ($4::BIGINT IS NULL OR a.id < $4::BIGINT)
ORDER BY id DESC
LIMIT $5::INTEGER
