-- A condition for dead letters: they must match every term that is given.
-- $1 VARCHAR[]: statuses
-- $2 VARCHAR: reason; NULL for all, as with each of the following
-- $3 VARCHAR: type
-- $4 VARCHAR: about, a customer, object or event
-- $5 VARCHAR: fingerprint
-- $6 BIGINT: older_than_seconds, since it became a dead letter
-- $7 BIGINT: newer_than_seconds
-- $8 VARCHAR: text in an id, type, reason, code, message or resolution, in any case
-- $9 BOOLEAN: removals, for only those whose events end an object
-- $10 BIGINT: newest, for those up to this number
-- $11 BIGINT: oldest, for those from this number on
-- $12 BIGINT[]: ids, for only these
-- $13 BIGINT: operation, for those that it processed
status = ANY($1::VARCHAR[])
AND ($2::VARCHAR IS NULL OR reason = $2::VARCHAR)
AND ($3::VARCHAR IS NULL OR event_type = $3::VARCHAR)
AND (
    $4::VARCHAR IS NULL
    OR customer_id = $4::VARCHAR
    OR object_id = $4::VARCHAR
    OR event_id = $4::VARCHAR
)
AND ($5::VARCHAR IS NULL OR fingerprint = $5::VARCHAR)
AND ($6::BIGINT IS NULL OR died_at <= now() - make_interval(secs => $6::BIGINT))
AND ($7::BIGINT IS NULL OR died_at > now() - make_interval(secs => $7::BIGINT))
AND (
    $8::VARCHAR IS NULL
    OR strpos(
        lower(
            concat_ws(
                ' ', event_id, event_type, customer_id, object_id, reason, failure_code,
                constraint_name, message, resolution, resolved_by
            )
        ),
        lower($8::VARCHAR)
    ) > 0
)
AND (NOT $9::BOOLEAN OR removal)
AND ($10::BIGINT IS NULL OR id <= $10::BIGINT)
AND ($11::BIGINT IS NULL OR id >= $11::BIGINT)
AND ($12::BIGINT[] IS NULL OR id = ANY($12::BIGINT[]))
AND (
    $13::BIGINT IS NULL
    OR id = ANY(
        ARRAY( -- the ids of the operation's letters, so that these are found by primary key
            SELECT done.letter_id
            FROM dead_letter_actions AS done
            WHERE done.operation_id = $13::BIGINT
        )
    )
)
