-- Insert rows for customers seen for the first time.
-- $1 UUID[]: user ids
-- $2 VARCHAR[]: addresses to sign in with
-- $3 VARCHAR[]: Stripe customer ids
-- $4 VARCHAR[]: addresses as Stripe has them
-- $5 VARCHAR[]: names
-- $6 VARCHAR[]: phone numbers
-- $7 JSONB[]: addresses
-- $8 JSONB[]: metadata
-- $9 BIGINT[]: created in Stripe, Unix seconds
-- $10 BIGINT[]: second of the event that is shown
-- $11 VARCHAR[]: id of the event that is shown
-- $12 BOOLEAN[]: deleted
-- $13 TEXT[]: evidence of order, in base64
-- $14 BOOLEAN[]: unsure
-- $15 VARCHAR[]: addresses as Stripe has them, in their canonical form
INSERT INTO users (
    user_id, email, stripe_customer_id, stripe_email, name, phone, address, metadata,
    stripe_created_at, stripe_updated_at, last_webhook_event_id, deleted_at, evidence, unsure,
    claimed_email
)
SELECT
    new.user_id,
    new.email,
    new.stripe_customer_id,
    new.stripe_email,
    new.name,
    new.phone,
    new.address,
    new.metadata,
    to_timestamp(new.stripe_created_at),
    to_timestamp(new.shown_created),
    new.shown,
    CASE WHEN new.deleted THEN to_timestamp(new.shown_created) END,
    decode(new.evidence, 'base64'),
    new.unsure,
    new.claimed_email
FROM unnest(
    $1::TEXT::UUID[], $2::TEXT::VARCHAR[], $3::TEXT::VARCHAR[], $4::TEXT::VARCHAR[],
    $5::TEXT::VARCHAR[], $6::TEXT::VARCHAR[], $7::TEXT::JSONB[], $8::TEXT::JSONB[],
    $9::TEXT::BIGINT[], $10::TEXT::BIGINT[], $11::TEXT::VARCHAR[], $12::TEXT::BOOLEAN[],
    $13::TEXT::TEXT[], $14::TEXT::BOOLEAN[], $15::TEXT::VARCHAR[]
) AS new (
    user_id, email, stripe_customer_id, stripe_email, name, phone, address,
    metadata, stripe_created_at, shown_created, shown, deleted, evidence, unsure,
    claimed_email
)
