-- Read one operation.
-- $1 BIGINT: number of the operation
SELECT
    -- include operations_columns
FROM operations
WHERE id = $1::BIGINT
