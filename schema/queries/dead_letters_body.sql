-- Read the exact bytes of a letter.
-- $1 BIGINT: letter id
SELECT raw_body
FROM dead_letters
WHERE id = $1::BIGINT
