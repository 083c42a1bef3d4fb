-- Continue a bulk operation that was stopped, failed or was interrupted; returns no row while another one runs.
-- $1 BIGINT: number of the bulk operation
-- $2 VARCHAR: token of the process that runs it from now on
WITH taken AS (
    UPDATE operations
    SET
        state = 'running',
        runner = $2::VARCHAR,
        error = NULL,
        heartbeat_at = now(),
        finished_at = NULL
    WHERE
        id = $1::BIGINT
        AND state IN ('stopped', 'interrupted', 'failed')
        AND NOT EXISTS (
            SELECT
            FROM operations AS other
            WHERE other.state IN ('running', 'stopping')
        )
    RETURNING *
)

SELECT
    -- include operations_columns
FROM taken
