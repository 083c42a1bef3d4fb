-- Count the dead letters of each status, up to a maximum, and find the newest of all.
-- $1 BIGINT: maximum up to which each status is counted
SELECT
    (
        SELECT count(*)
        FROM (SELECT FROM dead_letters WHERE status = 'open' LIMIT $1::BIGINT) AS counted
    ) AS open,
    (
        SELECT count(*)
        FROM (SELECT FROM dead_letters WHERE status = 'retrying' LIMIT $1::BIGINT) AS counted
    ) AS retrying,
    (
        SELECT count(*)
        FROM (SELECT FROM dead_letters WHERE status = 'resolved' LIMIT $1::BIGINT) AS counted
    ) AS resolved,
    (
        SELECT count(*)
        FROM (SELECT FROM dead_letters WHERE status = 'discarded' LIMIT $1::BIGINT) AS counted
    ) AS discarded,
    (SELECT max(id) FROM dead_letters) AS newest
