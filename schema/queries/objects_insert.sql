-- Insert rows of {table} for objects seen for the first time.
-- $1 VARCHAR[]: Stripe's ids
-- $2 UUID[]: user ids of their owners
{parameters}
INSERT INTO {table} (
    {stripe_id}, user_id, {columns}, stripe_updated_at, last_webhook_event_id, evidence, unsure
)
SELECT
    new.{stripe_id},
    new.user_id,
    {inserted},
    to_timestamp(new.shown_created),
    new.shown,
    decode(new.evidence, 'base64'),
    new.unsure
FROM unnest(
    $1::TEXT::VARCHAR[], $2::TEXT::UUID[],
    {arrays}
) AS new (
    {stripe_id}, user_id, {columns}, shown_created, shown, evidence, unsure
)
