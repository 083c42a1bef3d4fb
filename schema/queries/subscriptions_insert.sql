-- Make rows for subscriptions seen for the first time.
-- $1 VARCHAR[]: Stripe subscription ids
-- $2 UUID[]: user ids of their owners
-- $3 VARCHAR[]: product ids
-- $4 VARCHAR[]: statuses
-- $5 BIGINT[]: start of the period, Unix seconds
-- $6 BIGINT[]: end of the period, Unix seconds
-- $7 JSONB[]: metadata
-- $8 BIGINT[]: created in Stripe, Unix seconds
-- $9 BIGINT[]: second of the event that is shown
-- $10 VARCHAR[]: id of the event that is shown
-- $11 BYTEA[]: evidence of order
-- $12 BOOLEAN[]: unsure
INSERT INTO subscriptions (
    stripe_subscription_id, user_id, product_id, status, current_period_start, current_period_end,
    metadata, stripe_created_at, stripe_updated_at, last_webhook_event_id, evidence, unsure
)
SELECT
    new.stripe_subscription_id,
    new.user_id,
    new.product_id,
    new.status,
    to_timestamp(new.current_period_start),
    to_timestamp(new.current_period_end),
    new.metadata,
    to_timestamp(new.stripe_created_at),
    to_timestamp(new.shown_created),
    new.shown,
    new.evidence,
    new.unsure
FROM unnest(
    $1::VARCHAR[], $2::UUID[], $3::VARCHAR[], $4::VARCHAR[], $5::BIGINT[], $6::BIGINT[],
    $7::JSONB[], $8::BIGINT[], $9::BIGINT[], $10::VARCHAR[], $11::BYTEA[], $12::BOOLEAN[]
) AS new (
    stripe_subscription_id, user_id, product_id, status, current_period_start, current_period_end,
    metadata, stripe_created_at, shown_created, shown, evidence, unsure
)
