-- Find open, never retried letters of a reason whose customer's rows were written since they died, oldest event first.
-- $1 VARCHAR: the reason in the catalogue
-- $2 INTEGER: at most so many
SELECT letter.id
FROM dead_letters AS letter
WHERE
    letter.status = 'open'
    AND letter.reason = $1::VARCHAR
    AND letter.replays = 0
    AND letter.raw_body IS NOT NULL
    AND EXISTS (
        SELECT
        FROM webhook_events AS later
        WHERE
            later.customer_id = letter.customer_id
            AND later.settled_at > letter.died_at
            AND later.outcome IN ('applied', 'unchanged')
    )
ORDER BY
    letter.event_created_at,
    letter.id
LIMIT $2::INTEGER
