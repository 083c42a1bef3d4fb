-- Read when the last backfill began and ended, and how much time its slices covered at first.
SELECT
    extract(EPOCH FROM progress.begun_at)::BIGINT AS begun,
    extract(EPOCH FROM progress.finished_at)::BIGINT AS finished,
    (SELECT coalesce(sum(seconds), 0) FROM backfill_slices)::BIGINT AS seconds
FROM backfill_progress AS progress
