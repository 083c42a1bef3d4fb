-- Give letters back that were taken for a retry which did not come about.
-- $1 BIGINT[]: letter ids
UPDATE dead_letters
SET status = 'open'
WHERE
    id = ANY($1::BIGINT[])
    AND status = 'retrying'
RETURNING id
