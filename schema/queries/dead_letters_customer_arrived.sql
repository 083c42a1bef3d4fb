-- Find open dead letters that failed because their customer had no row, and whose customer has one now, oldest event first.
-- $1 VARCHAR: the reason in the catalogue
-- $2 INTEGER: maximum number of rows
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
