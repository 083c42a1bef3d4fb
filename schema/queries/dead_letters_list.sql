-- List letters without their bodies, newest first.
-- $10 BIGINT: only ids below this one, to page on; NULL from the newest
-- $11 INTEGER: at most so many
SELECT
    -- include dead_letters_columns
FROM dead_letters
WHERE
    -- include dead_letters_filter
    AND ($10::BIGINT IS NULL OR id < $10::BIGINT)
ORDER BY id DESC
LIMIT $11::INTEGER
