-- List dead letters whose retry began some time ago and has not ended, by id.
-- $1 INTEGER: minimum seconds since the retry began
-- $2 BIGINT: only ids above this one, for the next page
-- $3 INTEGER: maximum number of rows
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
