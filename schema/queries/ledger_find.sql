-- Find which of these events have an outcome: one probe of one day's primary key each.
-- $1 VARCHAR[]: event ids
-- $2 BIGINT[]: their own seconds, Unix time
SELECT
    settled.event_id,
    settled.outcome
FROM unnest($1::VARCHAR[], $2::BIGINT[]) AS asked (event_id, created)
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
