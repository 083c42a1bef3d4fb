-- Update rows of {table}. NULL keeps metadata as it is, so that unchanged metadata adds no index entry.
-- $1 UUID[]: ids of the rows
-- $2 UUID[]: user ids of their owners
{parameters}
UPDATE {table}
SET
    user_id = new.user_id,
    {updated},
    stripe_updated_at = to_timestamp(new.shown_created),
    synced_at = now(),
    last_webhook_event_id = new.shown,
    evidence = decode(new.evidence, 'base64'),
    unsure = new.unsure
FROM unnest(
    $1::TEXT::UUID[], $2::TEXT::UUID[],
    {arrays}
) AS new (
    {row_id}, user_id, {columns}, shown_created, shown, evidence, unsure
)
WHERE {table}.{row_id} = new.{row_id}
