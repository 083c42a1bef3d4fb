-- Mark bulk operations whose process is gone as interrupted, so that another one can run.
UPDATE operations
SET state = 'interrupted'
WHERE
    state IN ('running', 'stopping')
    AND heartbeat_at < now() - INTERVAL '15 seconds'
