-- Count dead letters by cause, the most frequent first; the columns of a cause are those of its newest letter.
-- $14 BIGINT: how many of the newest letters to count; NULL for all
-- $15 INTEGER: maximum number of causes
WITH counted AS (
    SELECT
        id,
        fingerprint,
        customer_id,
        died_at,
        removal
    FROM dead_letters
    WHERE
        -- include dead_letters_filter
    ORDER BY id DESC
    LIMIT $14::BIGINT
),

causes AS (
    SELECT
        fingerprint,
        count(*) AS letters,
        count(DISTINCT customer_id) AS customers,
        count(*) FILTER (WHERE removal) AS removals,
        min(died_at) AS first_died_at,
        max(died_at) AS last_died_at,
        max(id) AS newest
    FROM counted
    GROUP BY fingerprint
    ORDER BY
        letters DESC,
        last_died_at DESC,
        fingerprint
    LIMIT $15::INTEGER
)

SELECT
    -- include dead_letters_cause_columns
    ,
    causes.customers
FROM causes
INNER JOIN dead_letters AS letter ON causes.newest = letter.id
ORDER BY
    causes.letters DESC,
    causes.last_died_at DESC,
    causes.fingerprint
