-- Find which of these events have an outcome (one probe of one day's primary key each), and which have a dead
-- letter that is not closed, whether or not the ledger still has an entry for them.
-- $1 VARCHAR[]: event ids
-- $2 BIGINT[]: when Stripe created them, Unix seconds
SELECT
    settled.event_id,
    settled.outcome
FROM unnest($1::TEXT::VARCHAR[], $2::TEXT::BIGINT[]) AS asked (event_id, created)
CROSS JOIN LATERAL (
    SELECT
        e.event_id,
        e.outcome
    FROM webhook_events AS e
    WHERE
        e.event_id = asked.event_id
        AND e.event_created_at = to_timestamp(asked.created)
    LIMIT 1 -- keeps the planner from joining all days at once
) AS settled
UNION ALL
SELECT
    letter.event_id,
    'dead'
FROM dead_letters AS letter
WHERE
    letter.event_id = ANY($1::TEXT::VARCHAR[])
    AND letter.status IN ('open', 'retrying')
