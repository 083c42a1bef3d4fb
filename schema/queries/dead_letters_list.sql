-- List letters without their bodies, newest first.
-- $13 BIGINT: only ids below this one, to page on; NULL from the newest
-- $14 INTEGER: at most so many
SELECT
    -- include dead_letters_columns
FROM dead_letters
WHERE
    -- include dead_letters_filter
    AND ($13::BIGINT IS NULL OR id < $13::BIGINT)
ORDER BY id DESC
LIMIT $14::INTEGER
