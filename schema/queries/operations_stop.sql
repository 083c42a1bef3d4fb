-- Have an operation stop after its current batch; one whose process is gone is stopped at once.
-- $1 BIGINT: number of the operation
UPDATE operations
SET
    state = CASE WHEN heartbeat_at < now() - INTERVAL '15 seconds' THEN 'stopped' ELSE 'stopping' END,
    finished_at = CASE WHEN heartbeat_at < now() - INTERVAL '15 seconds' THEN now() END
WHERE
    id = $1::BIGINT
    AND state IN ('running', 'stopping')
RETURNING id
