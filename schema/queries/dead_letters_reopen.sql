-- Open letters again that were taken for a retry which did not come about.
-- $1 BIGINT[]: letter ids
-- $2 INTEGER: taken at least so many seconds ago; a later retry is another process's
-- $3 VARCHAR: who
-- $4 VARCHAR: why
-- $5 BIGINT: the operation that it is part of; NULL for none
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
