-- Read one bulk operation.
-- $1 BIGINT: number of the bulk operation
SELECT
    -- include operations_columns
FROM operations
WHERE id = $1::BIGINT
