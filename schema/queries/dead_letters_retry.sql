-- Take open letters, to put them back into their mailboxes; of two callers at once, only one gets each letter.
-- $1 BIGINT[]: letter ids
-- $2 VARCHAR: who
-- $3 VARCHAR: why; may be NULL
-- $4 BIGINT: the operation that it is part of; NULL for none
WITH open_letter AS (
    SELECT id
    FROM dead_letters
    WHERE
        id = ANY($1::BIGINT[])
        AND status = 'open'
        AND raw_body IS NOT NULL
    ORDER BY id
    FOR UPDATE
),

taken AS (
    UPDATE dead_letters
    SET
        status = 'retrying',
        retrying_since = now(),
        replays = replays + 1
    FROM open_letter
    WHERE dead_letters.id = open_letter.id
    RETURNING
        dead_letters.id,
        event_id,
        customer_id,
        event_created_at,
        raw_body
),

noted AS (
    INSERT INTO dead_letter_actions (letter_id, action, who, why, operation_id)
    SELECT
        id,
        'retry',
        $2::VARCHAR,
        $3::VARCHAR,
        $4::BIGINT
    FROM taken
)

SELECT
    id,
    event_id,
    customer_id,
    event_created_at,
    raw_body
FROM taken
