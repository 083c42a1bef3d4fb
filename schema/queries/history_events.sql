-- Read what became of a customer's events, the newest first; thin ones of other objects name no customer.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 INTEGER: at most so many
SELECT
    -- include ledger_columns
FROM webhook_events
WHERE
    customer_id = ANY(
        -- for each kind
        ARRAY(
            SELECT s.{stripe_id}
            FROM {table} AS s
            INNER JOIN users AS u ON s.user_id = u.user_id
            WHERE u.stripe_customer_id = $1::VARCHAR
        ) ||
        -- end
        $1::VARCHAR
    )
ORDER BY
    event_created_at DESC,
    settled_at DESC,
    event_id DESC
LIMIT $2::INTEGER
