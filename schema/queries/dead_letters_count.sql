-- Count unresolved letters by status and class, and those that end what a row still shows; find the oldest.
SELECT
    letter.status,
    letter.failure_class,
    count(*) AS letters,
    count(*) FILTER (
        WHERE
            living_user.user_id IS NOT NULL
            -- for each kind
            OR living_{row_id}.user_id IS NOT NULL
            -- end
    ) AS removals,
    min(letter.died_at) AS oldest
FROM dead_letters AS letter
LEFT JOIN LATERAL (
    SELECT u.user_id
    FROM users AS u
    WHERE
        letter.removal
        AND u.stripe_customer_id = letter.object_id
        AND u.deleted_at IS NULL
    LIMIT 1 -- keeps the planner from reading whole tables
) AS living_user ON TRUE
-- for each kind
LEFT JOIN LATERAL (
    SELECT s.user_id
    FROM {table} AS s
    WHERE
        letter.removal
        AND s.{stripe_id} = letter.object_id
        AND s.{ended_by} NOT IN ({ended_values})
    LIMIT 1 -- as above
) AS living_{row_id} ON TRUE
-- end
WHERE letter.status IN ('open', 'retrying')
GROUP BY
    letter.status,
    letter.failure_class
ORDER BY
    letter.status,
    letter.failure_class
