-- Open dead letters again whose retry began and did not take place.
-- $1 BIGINT[]: dead letter ids
-- $2 INTEGER: minimum seconds since the retry began; a later retry belongs to another process
-- $3 VARCHAR: who
-- $4 VARCHAR: why
-- $5 BIGINT: the bulk operation that this is part of; NULL for none
WITH reopened AS (
    UPDATE dead_letters
    SET
        status = 'open',
        replays = greatest(replays - 1, 0)
    WHERE
        id = ANY($1::BIGINT[])
        AND status = 'retrying'
        AND coalesce(retrying_since, died_at) <= now() - make_interval(secs => $2::INTEGER)
    RETURNING id
),

noted AS (
    INSERT INTO dead_letter_actions (letter_id, action, who, why, operation_id)
    SELECT
        id,
        'reopen',
        $3::VARCHAR,
        $4::VARCHAR,
        $5::BIGINT
    FROM reopened
)

SELECT id
FROM reopened
