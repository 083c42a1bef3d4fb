-- Close the dead letters of events that have an outcome now.
-- $1 VARCHAR[]: event ids
-- $2 VARCHAR[]: their outcomes
UPDATE dead_letters
SET
    status = 'resolved',
    resolution = new.outcome,
    resolved_by = 'retry',
    resolved_at = now()
FROM unnest($1::VARCHAR[], $2::VARCHAR[]) AS new (event_id, outcome)
WHERE
    dead_letters.event_id = new.event_id
    AND dead_letters.status IN ('open', 'retrying')
