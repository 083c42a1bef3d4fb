-- List dead letters without their bodies, newest first.
-- $14 BIGINT: only ids below this one, for the next page; NULL for the newest
-- $15 INTEGER: maximum number of rows
SELECT
    -- include dead_letters_columns
FROM dead_letters
WHERE
    -- include dead_letters_filter
    AND ($14::BIGINT IS NULL OR id < $14::BIGINT)
ORDER BY id DESC
LIMIT $15::INTEGER
