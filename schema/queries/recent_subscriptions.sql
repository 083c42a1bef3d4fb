-- Read the subscriptions whose rows changed last, through the ledger, as for customers.
-- $1 INTEGER: seconds to look back
-- $2 INTEGER: maximum number of rows
WITH changed AS (
    SELECT
        object_id,
        max(settled_at) AS changed_at
    FROM webhook_events
    WHERE
        settled_at > now() - make_interval(secs => $1::INTEGER)
        AND outcome = 'applied'
        AND event_type LIKE 'customer.subscription.%'
    GROUP BY object_id
    ORDER BY
        changed_at DESC,
        object_id ASC
    LIMIT $2::INTEGER
)

SELECT
    s.stripe_subscription_id AS subscription_id,
    s.status,
    s.unsure,
    extract(EPOCH FROM now() - c.changed_at)::FLOAT8 AS age_seconds
FROM changed AS c
INNER JOIN subscriptions AS s ON c.object_id = s.stripe_subscription_id
ORDER BY
    age_seconds ASC,
    subscription_id ASC
