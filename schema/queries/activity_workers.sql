-- List what workers did to letters by themselves, newest first, as lines of activity_page.
-- $1 VARCHAR: action; NULL for all
-- $2 BIGINT: only numbers below this one, to page on
-- $3 INTEGER: at most so many
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
    a.who = 'worker'
    AND ($1::VARCHAR IS NULL OR a.action = $1::VARCHAR)
    AND ($2::BIGINT IS NULL OR a.id < $2::BIGINT)
ORDER BY a.id DESC
LIMIT $3::INTEGER
