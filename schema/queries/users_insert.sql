-- Make rows for customers seen for the first time.
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
-- $13 BYTEA[]: evidence of order
-- $14 BOOLEAN[]: unsure
INSERT INTO users (
    user_id, email, stripe_customer_id, stripe_email, name, phone, address, metadata,
    stripe_created_at, stripe_updated_at, last_webhook_event_id, deleted_at, evidence, unsure
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
    new.evidence,
    new.unsure
FROM unnest(
    $1::UUID[], $2::VARCHAR[], $3::VARCHAR[], $4::VARCHAR[], $5::VARCHAR[], $6::VARCHAR[], $7::JSONB[],
    $8::JSONB[], $9::BIGINT[], $10::BIGINT[], $11::VARCHAR[], $12::BOOLEAN[], $13::BYTEA[], $14::BOOLEAN[]
) AS new (
    user_id, email, stripe_customer_id, stripe_email, name, phone, address,
    metadata, stripe_created_at, shown_created, shown, deleted, evidence, unsure
)
