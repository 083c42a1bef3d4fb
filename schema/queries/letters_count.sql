-- Count unresolved letters by status and class, and those that end what a row still shows; find the oldest.
SELECT
    letter.status,
    letter.failure_class,
    count(*) AS letters,
    count(*) FILTER (
        WHERE
        letter.removal
        AND (
            EXISTS (
                SELECT
                FROM users AS u
                WHERE
                    u.stripe_customer_id = letter.object_id
                    AND u.deleted_at IS NULL
            )
            OR EXISTS (
                SELECT
                FROM subscriptions AS s
                WHERE
                    s.stripe_subscription_id = letter.object_id
                    AND s.status NOT IN ('canceled', 'incomplete_expired')
            )
        )
    ) AS removals,
    min(letter.died_at) AS oldest
FROM dead_letters AS letter
WHERE letter.status IN ('open', 'retrying')
GROUP BY
    letter.status,
    letter.failure_class
ORDER BY
    letter.status,
    letter.failure_class
