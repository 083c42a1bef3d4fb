-- Every row of subscriptions as the truth writes it: the user by customer, times in Unix seconds, JSON as text.
SELECT
    subscriptions.stripe_subscription_id,
    users.stripe_customer_id,
    subscriptions.product_id,
    subscriptions.status,
    extract(EPOCH FROM subscriptions.current_period_start)::BIGINT AS current_period_start,
    extract(EPOCH FROM subscriptions.current_period_end)::BIGINT AS current_period_end,
    subscriptions.metadata::TEXT AS metadata,
    extract(EPOCH FROM subscriptions.stripe_created_at)::BIGINT AS stripe_created_at,
    subscriptions.items::TEXT AS items,
    subscriptions.cancel_at_period_end,
    extract(EPOCH FROM subscriptions.cancel_at)::BIGINT AS cancel_at,
    extract(EPOCH FROM subscriptions.canceled_at)::BIGINT AS canceled_at,
    extract(EPOCH FROM subscriptions.ended_at)::BIGINT AS ended_at,
    extract(EPOCH FROM subscriptions.trial_end)::BIGINT AS trial_end,
    extract(EPOCH FROM subscriptions.start_date)::BIGINT AS start_date,
    subscriptions.collection_method,
    subscriptions.pause_collection::TEXT AS pause_collection,
    extract(EPOCH FROM subscriptions.stripe_updated_at)::BIGINT AS stripe_updated_at,
    subscriptions.last_webhook_event_id,
    subscriptions.unsure
FROM subscriptions
JOIN users USING (user_id)
