-- Begin a new backfill with these slices, in this order, and delete those of the previous backfill.
-- $1 VARCHAR[]: kinds of object
-- $2 BIGINT[]: first second of each slice, Unix time
-- $3 BIGINT[]: second after the last of each slice, Unix time
WITH forgotten AS (
    DELETE FROM backfill_slices
),

uncounted AS (
    DELETE FROM backfill_totals
),

begun AS (
    UPDATE backfill_progress SET begun_at = now(), finished_at = NULL
)

INSERT INTO backfill_slices (kind, since_at, before_at, seconds)
SELECT
    slice.kind,
    to_timestamp(slice.since),
    to_timestamp(slice.before),
    slice.before - slice.since
FROM unnest($1::VARCHAR[], $2::BIGINT[], $3::BIGINT[]) WITH ORDINALITY AS slice (kind, since, before, place)
ORDER BY slice.place
