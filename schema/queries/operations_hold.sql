-- Begin a batch of a bulk operation; returns no row if the operation is to stop, or another process runs it.
-- $1 BIGINT: number of the bulk operation
-- $2 VARCHAR: token of the process that runs it
UPDATE operations
SET heartbeat_at = now()
WHERE
    id = $1::BIGINT
    AND runner = $2::VARCHAR
    AND state = 'running'
RETURNING id
