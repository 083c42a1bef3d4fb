-- Read what a customer's unsure rows remember of their events: its own row, then its subscriptions; and whether one
-- has not ended though its customer is deleted.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 INTEGER: at most so many subscriptions
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
UNION ALL
(
    SELECT
        s.stripe_subscription_id,
        s.last_webhook_event_id,
        s.evidence,
        u.deleted_at IS NOT NULL AND s.status NOT IN ('canceled', 'incomplete_expired')
    FROM users AS u
    INNER JOIN subscriptions AS s ON u.user_id = s.user_id
    WHERE
        u.stripe_customer_id = $1::VARCHAR
        AND s.unsure
    ORDER BY s.stripe_subscription_id ASC
    LIMIT $2::INTEGER
)
