-- Read the subscriptions whose rows changed last, by way of the ledger as for customers.
-- $1 INTEGER: seconds to look back
-- $2 INTEGER: at most so many
SELECT
    s.stripe_subscription_id AS subscription_id,
    s.status,
    extract(EPOCH FROM now() - max(e.settled_at))::FLOAT8 AS age_seconds
FROM webhook_events AS e
INNER JOIN subscriptions AS s ON e.object_id = s.stripe_subscription_id
WHERE
    e.settled_at > now() - make_interval(secs => $1::INTEGER)
    AND e.outcome = 'applied'
GROUP BY s.subscription_id
ORDER BY
    age_seconds ASC,
    s.subscription_id ASC
LIMIT $2::INTEGER
