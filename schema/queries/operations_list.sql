-- List bulk operations, newest first.
-- $1 BIGINT: only numbers below this one, for the next page; NULL for the newest
-- $2 INTEGER: maximum number of rows
SELECT
    -- include operations_columns
FROM operations
WHERE $1::BIGINT IS NULL OR id < $1::BIGINT
ORDER BY id DESC
LIMIT $2::INTEGER
