-- Record that a backfill has listed everything.
UPDATE backfill_progress SET finished_at = now()
