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
-- $11 TEXT[]: evidence of order, in base64
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
    decode(new.evidence, 'base64'),
    new.unsure
FROM unnest(
    $1::TEXT::VARCHAR[], $2::TEXT::UUID[], $3::TEXT::VARCHAR[], $4::TEXT::VARCHAR[],
    $5::TEXT::BIGINT[], $6::TEXT::BIGINT[], $7::TEXT::JSONB[], $8::TEXT::BIGINT[],
    $9::TEXT::BIGINT[], $10::TEXT::VARCHAR[], $11::TEXT::TEXT[], $12::TEXT::BOOLEAN[]
) AS new (
    stripe_subscription_id, user_id, product_id, status, current_period_start, current_period_end,
    metadata, stripe_created_at, shown_created, shown, evidence, unsure
)
