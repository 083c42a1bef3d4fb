-- Record how far a slice has been listed, and count what became of its objects.
-- $1 BIGINT: number of the slice
-- $2 BIGINT: second before which objects are still to be listed, Unix time
-- $3 VARCHAR[]: kinds of object
-- $4 VARCHAR[]: what became of the objects
-- $5 BIGINT[]: how many objects
WITH moved AS (
    UPDATE backfill_slices SET before_at = to_timestamp($2::BIGINT) WHERE id = $1::BIGINT
)

INSERT INTO backfill_totals AS totals (kind, outcome, objects)
SELECT
    counted.kind,
    counted.outcome,
    counted.objects
FROM unnest($3::VARCHAR[], $4::VARCHAR[], $5::BIGINT[]) AS counted (kind, outcome, objects)
ORDER BY counted.kind, counted.outcome -- the same order in every transaction, against deadlocks
ON CONFLICT (kind, outcome) DO UPDATE
SET objects = totals.objects + excluded.objects
