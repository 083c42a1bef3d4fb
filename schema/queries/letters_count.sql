-- Count unresolved letters by status and class, and find the oldest.
SELECT
    status,
    failure_class,
    count(*) AS letters,
    min(died_at) AS oldest
FROM dead_letters
WHERE status IN ('open', 'retrying')
GROUP BY
    status,
    failure_class
ORDER BY
    status,
    failure_class
