-- Find open letters that died of a missing customer who has a row now, oldest event first.
-- $1 VARCHAR: the reason in the catalogue
-- $2 INTEGER: at most so many
SELECT letter.id
FROM dead_letters AS letter
CROSS JOIN LATERAL (
    SELECT
    FROM users
    WHERE users.stripe_customer_id = letter.customer_id
    LIMIT 1 -- keeps the planner from reading all users
) AS arrived
WHERE
    letter.status = 'open'
    AND letter.reason = $1::VARCHAR
    AND letter.raw_body IS NOT NULL
ORDER BY
    letter.event_created_at,
    letter.id
LIMIT $2::INTEGER
