-- The columns of a bulk operation that are shown to people. An operation that is marked as running without a recent heartbeat is
-- interrupted.
id,
kind,
filter,
newest_letter,
total,
counts,
CASE
    WHEN
        state IN ('running', 'stopping') AND heartbeat_at < now() - INTERVAL '15 seconds'
        THEN 'interrupted'
    ELSE state
END AS state,
who,
why,
rate,
runner,
error,
begun_at,
heartbeat_at,
finished_at,
extract(EPOCH FROM coalesce(finished_at, now()) - begun_at)::BIGINT AS seconds
