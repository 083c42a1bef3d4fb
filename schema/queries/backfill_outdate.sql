-- Record that no backfill counts as begun or done: events were lost that only a new one makes up for. One that is under way goes
-- on, and counts once it is done.
UPDATE backfill_progress SET begun_at = NULL, finished_at = NULL
