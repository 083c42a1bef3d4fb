-- List the dead letters that a bulk operation had changed but not yet counted when its process ended, and their status; without
-- those that were opened again.
-- $1 BIGINT: number of the bulk operation
SELECT
    letter.id,
    letter.event_id,
    letter.status
FROM operations AS operation
INNER JOIN dead_letter_actions AS mine ON mine.operation_id = operation.id
INNER JOIN dead_letters AS letter ON letter.id = mine.letter_id
WHERE
    operation.id = $1::BIGINT
    AND mine.happened_at >= operation.heartbeat_at
    AND mine.action IN ('retry', 'discard')
    AND NOT EXISTS (
        SELECT
        FROM dead_letter_actions AS later
        WHERE
            later.letter_id = mine.letter_id
            AND later.id > mine.id
            AND later.action = 'reopen'
    )
ORDER BY letter.id
