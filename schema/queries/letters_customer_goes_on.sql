-- Find open, never retried letters of a reason whose customer's rows were written since they died, oldest event first.
-- $1 VARCHAR: the reason in the catalogue
-- $2 INTEGER: at most so many
SELECT letter.id
FROM dead_letters AS letter
CROSS JOIN LATERAL (
    SELECT
    FROM webhook_events AS e
    WHERE
        e.customer_id = letter.customer_id
        AND e.event_created_at >= letter.event_created_at
        AND e.settled_at > letter.died_at
        AND e.outcome IN ('applied', 'unchanged')
    LIMIT 1 -- keeps the planner from reading the whole ledger
) AS later
WHERE
    letter.status = 'open'
    AND letter.reason = $1::VARCHAR
    AND letter.replays = 0
    AND letter.raw_body IS NOT NULL
ORDER BY
    letter.event_created_at,
    letter.id
LIMIT $2::INTEGER
