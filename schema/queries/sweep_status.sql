-- Read how far sweeps have come, and how many events they wait for.
SELECT
    extract(EPOCH FROM progress.watermark_at)::BIGINT AS watermark,
    extract(EPOCH FROM progress.finished_at)::BIGINT AS finished,
    extract(EPOCH FROM now())::BIGINT AS now,
    progress.missing,
    (SELECT count(*) FROM awaited_events) AS awaited
FROM sweep_progress AS progress
