-- Delete bulk operations that ended long ago; what was done to each letter stays with it.
-- $1 INTEGER: days since they ended
DELETE FROM operations
WHERE
    state NOT IN ('running', 'stopping')
    AND coalesce(finished_at, heartbeat_at) < now() - make_interval(days => $1::INTEGER)
