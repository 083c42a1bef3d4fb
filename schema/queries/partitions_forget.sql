-- Delete events past retention from the default partition, which has the days without a partition of their own. An old event
-- that was settled recently is kept: its retention begins when it is settled.
-- $1 DATE: the oldest day to keep, UTC
DELETE FROM webhook_events_default
WHERE
    event_created_at < ($1::DATE::TIMESTAMP AT TIME ZONE 'UTC')
    AND settled_at < ($1::DATE::TIMESTAMP AT TIME ZONE 'UTC')
