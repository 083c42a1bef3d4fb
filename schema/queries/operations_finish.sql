-- End a bulk operation that this process runs.
-- $1 BIGINT: number of the bulk operation
-- $2 VARCHAR: token of the process that runs it
-- $3 VARCHAR: state: done, stopped or failed
-- $4 VARCHAR: the error with which it failed; NULL for none
UPDATE operations
SET
    state = $3::VARCHAR,
    error = $4::VARCHAR,
    finished_at = now()
WHERE
    id = $1::BIGINT
    AND runner = $2::VARCHAR
    AND state IN ('running', 'stopping')
RETURNING id
