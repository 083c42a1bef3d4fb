-- Keep dead letters; one that is not resolved yet is opened again with what it died of now.
-- $1 VARCHAR[]: event ids
-- $2 VARCHAR[]: types
-- $3 VARCHAR[]: customer ids
-- $4 VARCHAR[]: object ids
-- $5 BOOLEAN[]: livemode
-- $6 VARCHAR[]: API versions
-- $7 BIGINT[]: the events' own seconds, Unix time
-- $8 BIGINT[]: received, Unix milliseconds
-- $9 BIGINT[]: first attempt, Unix milliseconds
-- $10 INTEGER[]: attempts
-- $11 INTEGER[]: starts
-- $12 VARCHAR[]: reasons
-- $13 VARCHAR[]: failure classes
-- $14 VARCHAR[]: failure codes
-- $15 VARCHAR[]: violated constraints
-- $16 VARCHAR[]: messages
-- $17 VARCHAR[]: fingerprints
-- $18 VARCHAR[]: worker versions
-- $19 VARCHAR[]: sources
-- $20 BYTEA[]: raw bodies
-- $21 BOOLEAN[]: whether they tell of an end
INSERT INTO dead_letters AS letter (
    event_id, event_type, customer_id, object_id, livemode, api_version, event_created_at,
    received_at, first_attempt_at, attempts, starts, reason, failure_class, failure_code,
    constraint_name, message, fingerprint, worker_version, source, raw_body, raw_sha256, removal
)
SELECT
    new.event_id,
    new.event_type,
    new.customer_id,
    new.object_id,
    new.livemode,
    new.api_version,
    to_timestamp(new.created),
    to_timestamp(new.received_ms / 1000.0),
    to_timestamp(new.first_attempt_ms / 1000.0),
    new.attempts,
    new.starts,
    new.reason,
    new.failure_class,
    new.failure_code,
    new.constraint_name,
    new.message,
    new.fingerprint,
    new.worker_version,
    new.source,
    new.raw_body,
    sha256(new.raw_body),
    new.removal
FROM unnest(
    $1::VARCHAR[], $2::VARCHAR[], $3::VARCHAR[], $4::VARCHAR[], $5::BOOLEAN[], $6::VARCHAR[],
    $7::BIGINT[], $8::BIGINT[], $9::BIGINT[], $10::INTEGER[], $11::INTEGER[], $12::VARCHAR[],
    $13::VARCHAR[], $14::VARCHAR[], $15::VARCHAR[], $16::VARCHAR[], $17::VARCHAR[], $18::VARCHAR[],
    $19::VARCHAR[], $20::BYTEA[], $21::BOOLEAN[]
) AS new (
    event_id, event_type, customer_id, object_id, livemode, api_version,
    created, received_ms, first_attempt_ms, attempts, starts, reason,
    failure_class, failure_code, constraint_name, message, fingerprint, worker_version,
    source, raw_body, removal
)
ON CONFLICT (event_id) WHERE status IN ('open', 'retrying') DO UPDATE
SET
    died_at = now(),
    attempts = excluded.attempts,
    starts = excluded.starts,
    reason = excluded.reason,
    failure_class = excluded.failure_class,
    failure_code = excluded.failure_code,
    constraint_name = excluded.constraint_name,
    message = excluded.message,
    fingerprint = excluded.fingerprint,
    worker_version = excluded.worker_version,
    removal = excluded.removal,
    status = 'open'
