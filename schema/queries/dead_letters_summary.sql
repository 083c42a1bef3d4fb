-- Say how many letters of how many customers match, and which of them is the newest.
-- $13 VARCHAR[]: customers who are paused
SELECT
    count(*) AS letters,
    count(DISTINCT customer_id) AS customers,
    count(DISTINCT customer_id) FILTER (WHERE customer_id = ANY($13::VARCHAR[])) AS paused_customers,
    coalesce(max(id), 0) AS newest
FROM dead_letters
WHERE
    -- include dead_letters_filter
