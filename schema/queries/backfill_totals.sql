-- Read what became of the objects of the last backfill.
SELECT
    kind,
    outcome,
    objects
FROM backfill_totals
