-- Mark subscriptions as unsure that have not ended though their customers are deleted, locking them in the one order
-- that every transaction keeps.
WITH outliving AS (
    SELECT s.subscription_id
    FROM subscriptions AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    WHERE
        u.deleted_at IS NOT NULL
        AND s.status NOT IN ('canceled', 'incomplete_expired')
        AND NOT s.unsure
    ORDER BY s.stripe_subscription_id
    FOR NO KEY UPDATE OF s
)

UPDATE subscriptions
SET
    unsure = TRUE,
    synced_at = now()
FROM outliving
WHERE subscriptions.subscription_id = outliving.subscription_id
