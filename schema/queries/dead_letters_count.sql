-- Count unresolved dead letters by status and class, and those whose events end an object that its row shows as not ended;
-- find the oldest.
WITH counted AS (
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
),

-- Counted separately, because few of these events end an object: rows are looked up only for those.
ending AS (
    SELECT
        letter.status,
        letter.failure_class,
        count(*) AS removals
    FROM dead_letters AS letter
    LEFT JOIN LATERAL (
        SELECT u.user_id
        FROM users AS u
        WHERE
            u.stripe_customer_id = letter.object_id
            AND u.deleted_at IS NULL
        LIMIT 1 -- keeps the planner from reading whole tables
    ) AS living_user ON TRUE
    -- for each kind
    LEFT JOIN LATERAL (
        SELECT s.user_id
        FROM {table} AS s
        WHERE
            s.{stripe_id} = letter.object_id
            AND s.{ended_by} NOT IN ({ended_values})
        LIMIT 1 -- as above
    ) AS living_{row_id} ON TRUE
    -- end
    WHERE
        letter.status IN ('open', 'retrying')
        AND letter.removal
        AND (
            living_user.user_id IS NOT NULL
            -- for each kind
            OR living_{row_id}.user_id IS NOT NULL
            -- end
        )
    GROUP BY
        letter.status,
        letter.failure_class
)

SELECT
    counted.status,
    counted.failure_class,
    counted.letters,
    coalesce(ending.removals, 0) AS removals,
    counted.oldest
FROM counted
LEFT JOIN ending
    ON
        counted.status = ending.status
        AND counted.failure_class = ending.failure_class
ORDER BY
    counted.status,
    counted.failure_class
