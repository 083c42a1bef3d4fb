-- Discard open dead letters: close them without applying their events.
-- $1 BIGINT[]: dead letter ids
-- $2 VARCHAR: why
-- $3 VARCHAR: who
-- $4 BIGINT: the bulk operation that this is part of; NULL for none
WITH open_letter AS (
    SELECT id
    FROM dead_letters
    WHERE
        id = ANY($1::BIGINT[])
        AND status = 'open'
    ORDER BY id
    FOR UPDATE
),

discarded AS (
    UPDATE dead_letters
    SET
        status = 'discarded',
        resolution = $2::VARCHAR,
        resolved_by = $3::VARCHAR,
        resolved_at = now()
    FROM open_letter
    WHERE dead_letters.id = open_letter.id
    RETURNING dead_letters.id
),

noted AS (
    INSERT INTO dead_letter_actions (letter_id, action, who, why, operation_id)
    SELECT
        id,
        'discard',
        $3::VARCHAR,
        $2::VARCHAR,
        $4::BIGINT
    FROM discarded
)

SELECT id
FROM discarded
