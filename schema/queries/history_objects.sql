-- Read a customer's rows of {table}, the newest first.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 INTEGER: maximum number of rows
SELECT
    s.{stripe_id} AS {row_id},
    {shown},
    s.synced_at,
    s.last_webhook_event_id,
    s.unsure
FROM users AS u
INNER JOIN {table} AS s ON u.user_id = s.user_id
WHERE u.stripe_customer_id = $1::VARCHAR
ORDER BY
    s.stripe_created_at DESC NULLS LAST,
    s.{stripe_id} ASC
LIMIT $2::INTEGER
