-- A customer's timeline shows `past_due → active`. Empty for an event of another change, as most are: these
-- columns then take no room.
ALTER TABLE webhook_events
ADD COLUMN status_before VARCHAR,
ADD COLUMN status_after VARCHAR;

COMMENT ON COLUMN webhook_events.status_before IS 'The object''s status before the event, as far as the event tells.';
COMMENT ON COLUMN webhook_events.status_after IS 'Its status after the event, of one that tells of a change of it, of a creation or of an end.';
COMMENT ON COLUMN webhook_events_default.status_before IS 'The object''s status before the event, as far as the event tells.';
COMMENT ON COLUMN webhook_events_default.status_after IS 'Its status after the event, of one that tells of a change of it, of a creation or of an end.';
