-- Count letters by what they died of, the most letters first.
-- $13 INTEGER: at most so many groups
SELECT
    fingerprint,
    event_type,
    reason,
    failure_class,
    failure_code,
    constraint_name,
    min(message) AS message,
    count(*) AS letters,
    count(DISTINCT customer_id) AS customers,
    count(*) FILTER (WHERE removal) AS removals,
    min(died_at) AS first_died_at,
    max(died_at) AS last_died_at
FROM dead_letters
WHERE
    -- include dead_letters_filter
GROUP BY
    fingerprint,
    event_type,
    reason,
    failure_class,
    failure_code,
    constraint_name
ORDER BY
    letters DESC,
    last_died_at DESC,
    fingerprint
LIMIT $13::INTEGER
