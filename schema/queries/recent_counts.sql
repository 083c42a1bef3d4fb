-- Count the events that were settled in each of the last seconds, by outcome.
-- $1 INTEGER: seconds to look back
SELECT
    floor(extract(EPOCH FROM settled_at))::BIGINT AS second,
    outcome,
    count(*) AS events
FROM webhook_events
WHERE settled_at > now() - make_interval(secs => $1::INTEGER)
GROUP BY
    second,
    outcome
