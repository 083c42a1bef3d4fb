-- Read what a customer's unsure rows store about the order of their events, the customer's row first, then its objects'; and
-- whether an object has not ended although its customer is deleted.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 INTEGER: maximum number of rows of each kind
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
