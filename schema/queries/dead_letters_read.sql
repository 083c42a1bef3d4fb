-- Read one dead letter without its body.
-- $1 BIGINT: dead letter id
SELECT
    -- include dead_letters_columns
FROM dead_letters
WHERE id = $1::BIGINT
