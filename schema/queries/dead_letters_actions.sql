-- List what was done to a letter, in order.
-- $1 BIGINT: letter id
SELECT
    happened_at,
    action,
    who,
    why
FROM dead_letter_actions
WHERE letter_id = $1::BIGINT
ORDER BY id
