-- Read the slices that are not listed completely, in the order in which they are begun.
SELECT
    id,
    kind,
    extract(EPOCH FROM since_at)::BIGINT AS since,
    extract(EPOCH FROM before_at)::BIGINT AS before
FROM backfill_slices
WHERE before_at > since_at
ORDER BY id
