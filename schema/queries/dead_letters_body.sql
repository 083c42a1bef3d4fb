-- Read the exact bytes of a dead letter.
-- $1 BIGINT: dead letter id
SELECT raw_body
FROM dead_letters
WHERE id = $1::BIGINT
