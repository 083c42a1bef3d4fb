-- Read what a customer's unsure rows remember of their events: its own row, then its objects; and whether
-- one has not ended although its customer is deleted.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 INTEGER: at most so many of each kind
(
    SELECT
        stripe_customer_id AS object_id,
        last_webhook_event_id AS shown,
        evidence,
        FALSE AS outlives_customer
    FROM users
    WHERE
        stripe_customer_id = $1::VARCHAR
        AND unsure
)
-- for each kind
UNION ALL
(
    SELECT
        s.{stripe_id},
        s.last_webhook_event_id,
        s.evidence,
        {outlives}
    FROM users AS u
    INNER JOIN {table} AS s ON u.user_id = s.user_id
    WHERE
        u.stripe_customer_id = $1::VARCHAR
        AND s.unsure
    ORDER BY s.{stripe_id} ASC
    LIMIT $2::INTEGER
)
-- end
