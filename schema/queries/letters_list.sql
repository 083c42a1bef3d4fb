-- List letters without their bodies, newest first.
-- $1 VARCHAR[]: statuses
-- $2 VARCHAR: of this customer, object or event only; NULL for all
-- $3 BIGINT: only ids below this one, to page on; NULL from the newest
-- $4 INTEGER: at most so many
SELECT
    id,
    event_id,
    event_type,
    customer_id,
    object_id,
    livemode,
    api_version,
    event_created_at,
    received_at,
    first_attempt_at,
    died_at,
    attempts,
    starts,
    reason,
    failure_class,
    failure_code,
    constraint_name,
    message,
    fingerprint,
    worker_version,
    source,
    status,
    resolution,
    resolved_by,
    resolved_at,
    replays
FROM dead_letters
WHERE
    status = ANY($1::VARCHAR[])
    AND ($2::VARCHAR IS NULL OR $2::VARCHAR IN (customer_id, object_id, event_id))
    AND ($3::BIGINT IS NULL OR id < $3::BIGINT)
ORDER BY id DESC
LIMIT $4::INTEGER
