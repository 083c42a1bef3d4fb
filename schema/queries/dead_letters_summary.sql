-- Count exactly how many dead letters match, and find the newest one and the most frequent causes; count the customers of some
-- of them. Returns one row per cause, each with the totals; one row without a cause if no letter matches. Reads matching
-- letters once.
-- $14 VARCHAR[]: customers who are paused
-- $15 BIGINT: maximum number of letters whose customers are counted; NULL for all
-- $16 INTEGER: maximum number of causes, at least one
WITH matching AS MATERIALIZED (
    SELECT
        id,
        fingerprint,
        customer_id,
        died_at,
        removal
    FROM dead_letters
    WHERE
        -- include dead_letters_filter
),

causes AS (
    SELECT
        fingerprint,
        count(*) AS letters,
        count(*) FILTER (WHERE removal) AS removals,
        min(died_at) AS first_died_at,
        max(died_at) AS last_died_at,
        max(id) AS newest,
        (sum(count(*)) OVER ())::BIGINT AS all_letters,
        max(max(id)) OVER () AS newest_of_all
    FROM matching
    GROUP BY fingerprint
    ORDER BY
        letters DESC,
        last_died_at DESC,
        fingerprint
    LIMIT $16::INTEGER
),

some_letters AS (
    SELECT customer_id
    FROM matching
    LIMIT $15::BIGINT
),

whose AS (
    SELECT
        count(*) AS customers_of,
        count(DISTINCT customer_id) AS customers,
        count(DISTINCT customer_id) FILTER (WHERE customer_id = ANY($14::VARCHAR[])) AS paused_customers
    FROM some_letters
)

SELECT
    coalesce(causes.all_letters, 0) AS all_letters,
    coalesce(causes.newest_of_all, 0) AS newest_of_all,
    whose.customers,
    whose.paused_customers,
    whose.customers_of,
    -- include dead_letters_cause_columns
FROM whose
LEFT JOIN causes ON TRUE
LEFT JOIN dead_letters AS letter ON causes.newest = letter.id
ORDER BY
    causes.letters DESC,
    causes.last_died_at DESC,
    causes.fingerprint
