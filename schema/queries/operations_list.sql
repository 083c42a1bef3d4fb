-- List operations, newest first.
-- $1 BIGINT: only numbers below this one, to page on; NULL from the newest
-- $2 INTEGER: at most so many
SELECT
    -- include operations_columns
FROM operations
WHERE $1::BIGINT IS NULL OR id < $1::BIGINT
ORDER BY id DESC
LIMIT $2::INTEGER
