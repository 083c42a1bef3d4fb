-- Count letters by what they died of, the most letters first; what is told of a cause is the newest of its letters.
-- $13 INTEGER: at most so many groups
WITH causes AS (
    SELECT
        fingerprint,
        count(*) AS letters,
        count(DISTINCT customer_id) AS customers,
        count(*) FILTER (WHERE removal) AS removals,
        min(died_at) AS first_died_at,
        max(died_at) AS last_died_at,
        max(id) AS newest
    FROM dead_letters
    WHERE
        -- include dead_letters_filter
    GROUP BY fingerprint
    ORDER BY
        letters DESC,
        last_died_at DESC,
        fingerprint
    LIMIT $13::INTEGER
)

SELECT
    causes.fingerprint,
    letter.event_type,
    letter.reason,
    letter.failure_class,
    letter.failure_code,
    letter.constraint_name,
    letter.message,
    causes.letters,
    causes.customers,
    causes.removals,
    causes.first_died_at,
    causes.last_died_at
FROM causes
INNER JOIN dead_letters AS letter ON causes.newest = letter.id
ORDER BY
    causes.letters DESC,
    causes.last_died_at DESC,
    causes.fingerprint
