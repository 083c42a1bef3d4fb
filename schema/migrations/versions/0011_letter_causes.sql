-- Dead letters are counted by cause, and by status, from an index alone: reading a hundred thousand of them with their
-- bodies takes seconds.

CREATE INDEX idx_dead_letters_cause ON dead_letters (status, fingerprint, customer_id)
INCLUDE (id, died_at, removal, event_type, reason, failure_class, object_id);
