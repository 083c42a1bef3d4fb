-- Take open letters for putting back in their mailboxes; of two people at once, one gets each.
-- $1 BIGINT[]: letter ids
UPDATE dead_letters
SET
    status = 'retrying',
    replays = replays + 1
WHERE
    id = ANY($1::BIGINT[])
    AND status = 'open'
    AND raw_body IS NOT NULL
RETURNING
    id,
    event_id,
    customer_id,
    event_created_at,
    raw_body
