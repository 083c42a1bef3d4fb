-- Delete what is past retention from the partition of days that have none of their own: an old event that
-- was settled a moment ago is remembered as long as any other.
-- $1 DATE: the oldest day to keep, UTC
DELETE FROM webhook_events_default
WHERE
    event_created_at < ($1::DATE::TIMESTAMP AT TIME ZONE 'UTC')
    AND settled_at < ($1::DATE::TIMESTAMP AT TIME ZONE 'UTC')
