-- Have a bulk operation stop after its current batch; an operation whose process is gone is stopped at once.
-- $1 BIGINT: number of the bulk operation
UPDATE operations
SET
    state = CASE WHEN heartbeat_at < now() - INTERVAL '15 seconds' THEN 'stopped' ELSE 'stopping' END,
    finished_at = CASE WHEN heartbeat_at < now() - INTERVAL '15 seconds' THEN now() END
WHERE
    id = $1::BIGINT
    AND state IN ('running', 'stopping')
RETURNING id
