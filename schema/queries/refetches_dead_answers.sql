-- Find which of these objects have an answer of Stripe's that became a dead letter not long ago, and that nobody has dealt with.
-- $1 VARCHAR[]: object ids
-- $2 DOUBLE: seconds since it became a dead letter
SELECT asked.object_id
FROM unnest($1::VARCHAR[]) AS asked (object_id)
CROSS JOIN LATERAL (
    SELECT letter.id
    FROM (
        SELECT
            one.id,
            one.status,
            one.died_at
        FROM dead_letters AS one
        WHERE
            one.object_id = asked.object_id
            AND one.event_type LIKE '%.fetched'
        OFFSET 0 -- so that the planner goes by the object, however few letters it takes to be open
    ) AS letter
    WHERE
        letter.status = 'open'
        AND letter.died_at > now() - make_interval(secs => $2::DOUBLE PRECISION)
    LIMIT 1
) AS dead_answer
