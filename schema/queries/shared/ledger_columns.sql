-- The columns of an event that are shown to people.
event_id,
event_type,
object_id,
event_created_at,
received_at,
settled_at,
outcome,
reason,
superseded_by,
attempts,
source,
status_before,
status_after
