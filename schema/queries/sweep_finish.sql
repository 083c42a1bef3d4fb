-- Say that a sweep has come to its end.
UPDATE sweep_progress SET finished_at = now()
