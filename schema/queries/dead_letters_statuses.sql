-- Count the letters of each status.
SELECT
    status,
    count(*) AS letters
FROM dead_letters
GROUP BY status
