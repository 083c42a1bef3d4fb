-- List the actions on a dead letter, in order.
-- $1 BIGINT: dead letter id
SELECT
    happened_at,
    action,
    who,
    why
FROM dead_letter_actions
WHERE letter_id = $1::BIGINT
ORDER BY id
