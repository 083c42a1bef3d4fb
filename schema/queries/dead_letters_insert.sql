-- Store dead letters; one that is there and not closed is opened again with its new cause. No bytes are stored of a customer
-- that was deleted.
-- $1 VARCHAR[]: event ids
-- $2 VARCHAR[]: types
-- $3 VARCHAR[]: customer ids
-- $4 VARCHAR[]: object ids
-- $5 BOOLEAN[]: livemode
-- $6 VARCHAR[]: API versions
-- $7 BIGINT[]: when Stripe created the events, Unix seconds
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
-- $21 BOOLEAN[]: whether their events end the object
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
    CASE
        WHEN
            NOT EXISTS (
                SELECT
                FROM users AS u
                WHERE
                    u.stripe_customer_id = new.customer_id
                    AND u.deleted_at IS NOT NULL
            )
            THEN new.raw_body
    END,
    sha256(new.raw_body),
    new.removal
FROM unnest(
    $1::TEXT::VARCHAR[], $2::TEXT::VARCHAR[], $3::TEXT::VARCHAR[], $4::TEXT::VARCHAR[],
    $5::TEXT::BOOLEAN[], $6::TEXT::VARCHAR[], $7::TEXT::BIGINT[], $8::TEXT::BIGINT[],
    $9::TEXT::BIGINT[], $10::TEXT::INTEGER[], $11::TEXT::INTEGER[], $12::TEXT::VARCHAR[],
    $13::TEXT::VARCHAR[], $14::TEXT::VARCHAR[], $15::TEXT::VARCHAR[], $16::TEXT::VARCHAR[],
    $17::TEXT::VARCHAR[], $18::TEXT::VARCHAR[], $19::TEXT::VARCHAR[], $20::BYTEA[],
    $21::TEXT::BOOLEAN[]
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
    raw_body = CASE WHEN excluded.raw_body IS NOT NULL THEN letter.raw_body END,
    status = 'open'
