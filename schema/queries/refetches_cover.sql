-- Find which of these snapshot events thin events told of, and which an answer replaces: an answer that contains the event
-- even if it came from a copy that lagged, or that is still to come. A deletion is never replaced: only it is proof.
-- $1 VARCHAR[]: event ids
-- $2 VARCHAR[]: ids of their objects
-- $3 BIGINT[]: when Stripe created them, Unix seconds
-- $4 BOOLEAN[]: whether they are deletions
-- $5 INTEGER: by how many seconds a copy that Stripe answers from may lag
SELECT
    event.event_id,
    to_timestamp(event.created) <= known.told_at AS is_told,
    NOT event.deletes
    AND coalesce(
        to_timestamp(event.created) + make_interval(secs => $5::INTEGER) < known.answered_at
        OR (known.waits_since IS NOT NULL AND to_timestamp(event.created) <= known.told_at),
        FALSE
    ) AS is_replaced
FROM unnest($1::VARCHAR[], $2::VARCHAR[], $3::BIGINT[], $4::BOOLEAN[])
    AS event (event_id, object_id, created, deletes)
INNER JOIN notices AS known ON event.object_id = known.object_id
