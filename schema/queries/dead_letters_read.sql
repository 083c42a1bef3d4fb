-- Read one letter without its body.
-- $1 BIGINT: letter id
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
    retrying_since,
    resolution,
    resolved_by,
    resolved_at,
    replays,
    encode(raw_sha256, 'hex') AS raw_sha256,
    removal
FROM dead_letters
WHERE id = $1::BIGINT
