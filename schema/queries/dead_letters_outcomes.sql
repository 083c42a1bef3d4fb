-- Read what became of dead letters.
-- $1 BIGINT[]: dead letter ids
SELECT
    id,
    event_id,
    status,
    reason,
    resolution
FROM dead_letters
WHERE id = ANY($1::BIGINT[])
ORDER BY
    event_created_at,
    id
