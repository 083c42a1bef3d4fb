-- Split a slice at a second: the slice keeps the time from this second on, and a new slice gets the time before it. Returns
-- the number of the new slice.
-- $1 BIGINT: number of the slice
-- $2 BIGINT: second at which to split, Unix time
WITH whole AS (
    SELECT
        kind,
        since_at
    FROM backfill_slices
    WHERE id = $1::BIGINT
),

cut AS (
    UPDATE backfill_slices
    SET
        since_at = to_timestamp($2::BIGINT),
        seconds = seconds - ($2::BIGINT - extract(EPOCH FROM since_at)::BIGINT)
    WHERE id = $1::BIGINT
)

INSERT INTO backfill_slices (kind, since_at, before_at, seconds)
SELECT
    whole.kind,
    whole.since_at,
    to_timestamp($2::BIGINT),
    $2::BIGINT - extract(EPOCH FROM whole.since_at)::BIGINT
FROM whole
RETURNING id
