-- Record which objects thin events named, and which of them Stripe has to be asked for: those for which Stripe has not answered
-- since, or whose answer came so soon that it may be from a copy that lagged.
-- $1 VARCHAR[]: object ids
-- $2 VARCHAR[]: their kinds
-- $3 BIGINT[]: when each object last changed, Unix time
-- $4 BOOLEAN[]: whether the object ended then
-- $5 BYTEA[]: the newest thin event of each object
-- $6 INTEGER: by how many seconds an answer must be later than an event to be surely later
-- $7 INTEGER: by how many seconds a copy that Stripe answers from may lag
INSERT INTO notices AS known (object_id, kind, told_at, ends, noticed_at, waits_since, raw_body)
SELECT
    new.object_id,
    new.kind,
    to_timestamp(new.told),
    new.ends,
    now(),
    now(),
    new.raw_body
FROM unnest($1::VARCHAR[], $2::VARCHAR[], $3::BIGINT[], $4::BOOLEAN[], $5::BYTEA[])
    AS new (object_id, kind, told, ends, raw_body)
ON CONFLICT (object_id) DO UPDATE
SET
    told_at = greatest(known.told_at, excluded.told_at),
    ends = known.ends OR excluded.ends,
    noticed_at = excluded.noticed_at,
    waits_since = CASE
        WHEN excluded.ends AND NOT known.ends THEN least(known.waits_since, excluded.waits_since)
        WHEN excluded.told_at + make_interval(secs => $7::INTEGER) < known.answered_at THEN known.waits_since
        WHEN excluded.told_at + make_interval(secs => $6::INTEGER) < known.answered_at
            THEN coalesce(known.waits_since, excluded.waits_since + make_interval(secs => $7::INTEGER))
        ELSE least(known.waits_since, excluded.waits_since)
    END,
    raw_body = CASE WHEN excluded.told_at > known.told_at THEN excluded.raw_body ELSE known.raw_body END
RETURNING
    object_id,
    waits_since IS NOT NULL AS waits
