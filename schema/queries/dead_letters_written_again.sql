-- Find open dead letters of one reason that failed some time ago and were never retried, if any event has succeeded since,
-- oldest event first.
-- $1 VARCHAR: the reason in the catalogue
-- $2 INTEGER: minimum seconds since they failed; an event must have succeeded within the same time
-- $3 INTEGER: maximum number of rows
SELECT letter.id
FROM dead_letters AS letter
WHERE
    letter.status = 'open'
    AND letter.reason = $1::VARCHAR
    AND letter.replays = 0
    AND letter.raw_body IS NOT NULL
    AND letter.died_at <= now() - make_interval(secs => $2::INTEGER)
    AND EXISTS (
        SELECT
        FROM webhook_events AS e
        WHERE
            e.settled_at > now() - make_interval(secs => $2::INTEGER)
            AND e.outcome IN ('applied', 'unchanged')
    )
ORDER BY
    letter.event_created_at,
    letter.id
LIMIT $3::INTEGER
