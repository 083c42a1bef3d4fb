-- Undo a discard: dead letters that can be retried are opened again, unless their event has another unresolved one.
-- $1 BIGINT[]: dead letter ids
-- $2 VARCHAR: who
-- $3 VARCHAR: why
WITH reopened AS (
    UPDATE dead_letters AS letter
    SET
        status = 'open',
        resolution = NULL,
        resolved_by = NULL,
        resolved_at = NULL
    WHERE
        id = ANY($1::BIGINT[])
        AND status = 'discarded'
        AND raw_body IS NOT NULL
        AND NOT EXISTS (
            SELECT
            FROM dead_letters AS other
            WHERE
                other.event_id = letter.event_id
                AND (
                    other.status IN ('open', 'retrying')
                    OR (other.status = 'discarded' AND other.id = ANY($1::BIGINT[]) AND other.id > letter.id)
                )
        )
    RETURNING id
),

noted AS (
    INSERT INTO dead_letter_actions (letter_id, action, who, why)
    SELECT
        id,
        'reopen',
        $2::VARCHAR,
        $3::VARCHAR
    FROM reopened
)

SELECT id
FROM reopened
