-- List letters that have been on their way back for a while, by id.
-- $1 INTEGER: for so many seconds at least
-- $2 BIGINT: only ids above this one, to page on
-- $3 INTEGER: at most so many
SELECT
    id,
    event_id
FROM dead_letters
WHERE
    status = 'retrying'
    AND coalesce(retrying_since, died_at) <= now() - make_interval(secs => $1::INTEGER)
    AND id > $2::BIGINT
ORDER BY id
LIMIT $3::INTEGER
