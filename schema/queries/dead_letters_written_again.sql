-- Find open, never retried letters of a reason that died a while ago, if any customer's rows were written after that,
-- oldest event first.
-- $1 VARCHAR: the reason in the catalogue
-- $2 INTEGER: seconds since they died; written rows are looked for within the last so many seconds, too
-- $3 INTEGER: at most so many
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
