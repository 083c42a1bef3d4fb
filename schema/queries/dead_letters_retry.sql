-- Mark open dead letters as being retried and return them; the caller puts their events back into the mailboxes. If two callers
-- ask at once, only one of them gets each letter.
-- $1 BIGINT[]: dead letter ids
-- $2 VARCHAR: who
-- $3 VARCHAR: why; may be NULL
-- $4 BIGINT: the bulk operation that this is part of; NULL for none
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
