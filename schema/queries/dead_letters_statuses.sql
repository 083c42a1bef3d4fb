-- Count the letters of each status, and find the newest of all. Closed ones are counted up to a number, for they only grow more.
-- $1 BIGINT: count no further
SELECT
    (SELECT count(*) FROM dead_letters WHERE status = 'open') AS open,
    (SELECT count(*) FROM dead_letters WHERE status = 'retrying') AS retrying,
    (
        SELECT count(*)
        FROM (SELECT FROM dead_letters WHERE status = 'resolved' LIMIT $1::BIGINT) AS counted
    ) AS resolved,
    (
        SELECT count(*)
        FROM (SELECT FROM dead_letters WHERE status = 'discarded' LIMIT $1::BIGINT) AS counted
    ) AS discarded,
    (SELECT max(id) FROM dead_letters) AS newest
