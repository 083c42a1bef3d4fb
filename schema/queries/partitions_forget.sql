-- Delete events past retention from the default partition, whose days have no partition of their own: an old event
-- that was settled recently is kept as long as any other.
-- $1 DATE: the oldest day to keep, UTC
DELETE FROM webhook_events_default
WHERE
    event_created_at < ($1::DATE::TIMESTAMP AT TIME ZONE 'UTC')
    AND settled_at < ($1::DATE::TIMESTAMP AT TIME ZONE 'UTC')
