-- The columns of a cause, from its newest dead letter.
causes.fingerprint,
letter.event_type,
letter.reason,
letter.failure_class,
letter.failure_code,
letter.constraint_name,
letter.message,
causes.letters,
causes.removals,
causes.first_died_at,
causes.last_died_at
