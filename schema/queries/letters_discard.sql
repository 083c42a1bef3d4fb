-- Close open letters for good, without applying them.
-- $1 BIGINT[]: letter ids
-- $2 VARCHAR: why
-- $3 VARCHAR: who
UPDATE dead_letters
SET
    status = 'discarded',
    resolution = $2::VARCHAR,
    resolved_by = $3::VARCHAR,
    resolved_at = now()
WHERE
    id = ANY($1::BIGINT[])
    AND status = 'open'
RETURNING id
