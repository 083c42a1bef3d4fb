-- Update the rows of customers, except the address to sign in with, which users_set_email writes.
-- $1 UUID[]: user ids
-- $2 VARCHAR[]: addresses as Stripe has them
-- $3 VARCHAR[]: names
-- $4 VARCHAR[]: phone numbers
-- $5 JSONB[]: addresses
-- $6 JSONB[]: metadata; NULL keeps the present value, so that unchanged metadata adds no index entry
-- $7 BIGINT[]: created in Stripe, Unix seconds
-- $8 BIGINT[]: second of the event that is shown
-- $9 VARCHAR[]: id of the event that is shown
-- $10 BOOLEAN[]: deleted
-- $11 TEXT[]: evidence of order, in base64
-- $12 BOOLEAN[]: unsure
-- $13 VARCHAR[]: addresses as Stripe has them, in their canonical form
UPDATE users
SET
    stripe_email = new.stripe_email,
    name = new.name,
    phone = new.phone,
    address = new.address,
    metadata = coalesce(new.metadata, users.metadata),
    stripe_created_at = to_timestamp(new.stripe_created_at),
    stripe_updated_at = to_timestamp(new.shown_created),
    synced_at = now(),
    last_webhook_event_id = new.shown,
    deleted_at = CASE WHEN new.deleted THEN to_timestamp(new.shown_created) END,
    evidence = decode(new.evidence, 'base64'),
    unsure = new.unsure,
    claimed_email = new.claimed_email
FROM unnest(
    $1::TEXT::UUID[], $2::TEXT::VARCHAR[], $3::TEXT::VARCHAR[], $4::TEXT::VARCHAR[],
    $5::TEXT::JSONB[], $6::TEXT::JSONB[], $7::TEXT::BIGINT[], $8::TEXT::BIGINT[],
    $9::TEXT::VARCHAR[], $10::TEXT::BOOLEAN[], $11::TEXT::TEXT[], $12::TEXT::BOOLEAN[],
    $13::TEXT::VARCHAR[]
) AS new (
    user_id, stripe_email, name, phone, address, metadata,
    stripe_created_at, shown_created, shown, deleted, evidence, unsure,
    claimed_email
)
WHERE users.user_id = new.user_id
