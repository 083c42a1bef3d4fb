-- Record the progress of a bulk operation; returns no row if another process runs it.
-- $1 BIGINT: number of the bulk operation
-- $2 VARCHAR: token of the process that runs it
-- $3 JSONB: letters by result
UPDATE operations
SET
    counts = $3::JSONB,
    heartbeat_at = now()
WHERE
    id = $1::BIGINT
    AND runner = $2::VARCHAR
    AND state IN ('running', 'stopping')
RETURNING id
