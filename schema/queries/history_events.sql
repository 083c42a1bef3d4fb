-- Read what became of a customer's events, the newest first.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 INTEGER: at most so many
SELECT
    event_id,
    event_type,
    object_id,
    event_created_at,
    received_at,
    settled_at,
    outcome,
    reason,
    superseded_by,
    attempts,
    source
FROM webhook_events
WHERE customer_id = $1::VARCHAR
ORDER BY
    event_created_at DESC,
    settled_at DESC,
    event_id DESC
LIMIT $2::INTEGER
