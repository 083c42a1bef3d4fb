-- Delete what is past retention from the partition of days that have none of their own.
-- $1 DATE: the oldest day to keep, UTC
DELETE FROM webhook_events_default
WHERE event_created_at < ($1::DATE::TIMESTAMP AT TIME ZONE 'UTC')
