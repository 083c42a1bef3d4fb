-- Read what became of a customer's events, the newest first, with thin events of the customer's objects, which name no customer.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 INTEGER: maximum number of rows
SELECT
    -- include ledger_columns
FROM unnest(
    -- for each kind
    ARRAY(
        SELECT s.{stripe_id}
        FROM {table} AS s
        INNER JOIN users AS u ON s.user_id = u.user_id
        WHERE u.stripe_customer_id = $1::VARCHAR
    ) ||
    -- end
    $1::VARCHAR
) AS asked (whose)
CROSS JOIN LATERAL (
    SELECT
        -- include ledger_columns
    FROM webhook_events AS e
    WHERE e.customer_id = asked.whose
    ORDER BY
        e.event_created_at DESC,
        e.settled_at DESC,
        e.event_id DESC
    LIMIT $2::INTEGER
) AS entry
ORDER BY
    event_created_at DESC,
    settled_at DESC,
    event_id DESC
LIMIT $2::INTEGER
