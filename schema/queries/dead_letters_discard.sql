-- Close open letters for good, without applying them.
-- $1 BIGINT[]: letter ids
-- $2 VARCHAR: why
-- $3 VARCHAR: who
-- $4 BIGINT: the operation that it is part of; NULL for none
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
