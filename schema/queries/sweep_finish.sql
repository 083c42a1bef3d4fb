-- Record that a sweep has ended.
UPDATE sweep_progress SET finished_at = now()
