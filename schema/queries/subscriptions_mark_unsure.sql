-- Mark subscriptions as unsure whose customer was deleted: Stripe cancels them, and their own end has not come.
-- $1 UUID[]: subscription ids
UPDATE subscriptions
SET
    unsure = TRUE,
    synced_at = now()
FROM unnest($1::TEXT::UUID[]) AS doubted (subscription_id)
WHERE subscriptions.subscription_id = doubted.subscription_id
