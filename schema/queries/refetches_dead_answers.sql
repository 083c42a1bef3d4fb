-- Find which of these objects have an answer of Stripe's that became a dead letter not long ago, and that nobody has dealt with.
-- $1 VARCHAR[]: object ids
-- $2 DOUBLE: seconds since it became a dead letter
SELECT asked.object_id
FROM unnest($1::VARCHAR[]) AS asked (object_id)
CROSS JOIN LATERAL (
    SELECT letter.id
    FROM (
        -- include dead_answers
    ) AS letter
    WHERE
        letter.status = 'open'
        AND letter.died_at > now() - make_interval(secs => $2::DOUBLE PRECISION)
    LIMIT 1
) AS dead_answer
