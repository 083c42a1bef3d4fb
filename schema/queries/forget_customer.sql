-- Mark a customer's row as forgotten, and as deleted in any case; its personal data has been erased before this.
-- $1 VARCHAR: Stripe's id of the customer
-- $2 VARCHAR: id of the event that the row shows
-- $3 BIGINT: second of that event
-- $4 BYTEA: evidence of order
UPDATE users
SET
    last_webhook_event_id = $2::VARCHAR,
    stripe_updated_at = to_timestamp($3::BIGINT),
    deleted_at = coalesce(deleted_at, to_timestamp($3::BIGINT)),
    evidence = $4::BYTEA,
    unsure = FALSE,
    forgotten_at = coalesce(forgotten_at, now())
WHERE stripe_customer_id = $1::VARCHAR
RETURNING user_id
