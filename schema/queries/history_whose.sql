-- Find the customers to whom an id or address belongs: the id of a customer, of an object, of an event or of a user.
-- $1 VARCHAR: the id or address
-- $2 VARCHAR: the same as an address in its canonical form
-- $3 UUID: the same as a user's id, or NULL
SELECT stripe_customer_id AS customer_id
FROM users
WHERE stripe_customer_id = $1::VARCHAR
UNION
SELECT stripe_customer_id
FROM users
WHERE user_id = $3::UUID
UNION
SELECT stripe_customer_id
FROM users
WHERE email = $2::VARCHAR
UNION
SELECT stripe_customer_id
FROM users
WHERE claimed_email = $2::VARCHAR
UNION
SELECT stripe_customer_id
FROM users
WHERE stripe_email = $1::VARCHAR
-- for each kind
UNION
SELECT u.stripe_customer_id
FROM {table} AS s
INNER JOIN users AS u ON s.user_id = u.user_id
WHERE s.{stripe_id} = $1::VARCHAR
-- end
UNION
SELECT
    coalesce(
        -- for each kind
        (
            SELECT u.stripe_customer_id
            FROM {table} AS s
            INNER JOIN users AS u ON s.user_id = u.user_id
            WHERE s.{stripe_id} = known.customer_id
        ),
        -- end
        known.customer_id
    )
FROM (
    -- An event that names no customer has the id of its object instead.
    SELECT customer_id
    FROM webhook_events
    WHERE event_id = $1::VARCHAR
    UNION
    SELECT customer_id
    FROM dead_letters
    WHERE event_id = $1::VARCHAR
    UNION
    SELECT customer_id
    FROM dead_letters
    WHERE object_id = $1::VARCHAR
) AS known
ORDER BY customer_id
LIMIT 100
