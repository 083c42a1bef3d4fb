-- Find which of these snapshot events an answer replaces: Stripe has answered for the object since, or will be asked.
-- $1 VARCHAR[]: event ids
-- $2 VARCHAR[]: ids of their objects
-- $3 BIGINT[]: when Stripe created them, Unix seconds
-- $4 INTEGER: by how many seconds an answer must be later to be surely later
SELECT event.event_id
FROM unnest($1::VARCHAR[], $2::VARCHAR[], $3::BIGINT[]) AS event (event_id, object_id, created)
INNER JOIN notices AS known ON event.object_id = known.object_id
WHERE
    known.waits_since IS NOT NULL
    OR to_timestamp(event.created) + make_interval(secs => $4::INTEGER) < known.answered_at
