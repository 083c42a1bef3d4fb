-- Find objects that Stripe has to be asked for, the longest wait first: unsure rows that were not written for a while, and
-- objects with an event that is a dead letter while the row shows no later event. For an object whose customer has no row, the
-- customer is asked for, because the object's event would wait for it; the object itself if its letter names no customer, as
-- letters of thin events do. Nothing is due for a while after an answer that is later than what left it open became a dead letter.
-- $1 DOUBLE: seconds since the last write
-- $2 VARCHAR[]: objects to leave out
-- $3 BIGINT: maximum number of objects
-- $4 DOUBLE: seconds since the event became a dead letter
-- $5 DOUBLE: seconds since an answer became a dead letter, if it did
WITH dead AS (
    SELECT
        letter.object_id,
        letter.customer_id,
        letter.event_created_at,
        letter.removal,
        letter.died_at
    FROM dead_letters AS letter
    WHERE
        letter.status = 'open'
        AND letter.died_at < now() - make_interval(secs => $4::DOUBLE PRECISION)
        AND letter.event_type NOT LIKE '%.fetched'
),

doubt AS (
    SELECT
        'customer' AS kind,
        u.stripe_customer_id AS object_id,
        u.stripe_customer_id AS customer_id,
        u.synced_at AS since,
        u.stripe_updated_at AS open_at
    FROM users AS u
    WHERE
        u.unsure
        AND u.synced_at < now() - make_interval(secs => $1::DOUBLE PRECISION)
    -- for each kind
    UNION ALL
    SELECT
        '{name}',
        s.{stripe_id},
        u.stripe_customer_id,
        s.synced_at,
        s.stripe_updated_at
    FROM {table} AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    WHERE
        s.unsure
        AND s.synced_at < now() - make_interval(secs => $1::DOUBLE PRECISION)
    -- end
    UNION ALL
    SELECT
        'customer',
        dead.object_id,
        dead.object_id,
        dead.died_at,
        dead.event_created_at
    FROM dead
    LEFT JOIN LATERAL (
        SELECT
            u.stripe_updated_at > dead.event_created_at AS is_later,
            u.deleted_at IS NOT NULL OR u.last_webhook_event_id LIKE 'evt\_fetched\_%' AS is_certain
        FROM users AS u
        WHERE u.stripe_customer_id = dead.object_id
        LIMIT 1
    ) AS shown ON TRUE
    WHERE
        dead.object_id LIKE 'cus\_%'
        AND (shown.is_later AND (shown.is_certain OR NOT dead.removal)) IS NOT TRUE
    -- for each kind
    UNION ALL
    SELECT
        CASE WHEN whose.is_unknown THEN 'customer' ELSE '{name}' END,
        CASE WHEN whose.is_unknown THEN dead.customer_id ELSE dead.object_id END,
        coalesce(owner.customer_id, dead.customer_id),
        dead.died_at,
        dead.event_created_at
    FROM dead
    LEFT JOIN LATERAL (
        SELECT
            s.user_id,
            s.stripe_updated_at > dead.event_created_at AS is_later,
            s.{ended_by} IN ({ended_values})
            OR s.last_webhook_event_id LIKE 'evt\_fetched\_%' AS is_certain
        FROM {table} AS s
        WHERE s.{stripe_id} = dead.object_id
        LIMIT 1
    ) AS shown ON TRUE
    LEFT JOIN LATERAL (
        SELECT u.stripe_customer_id AS customer_id
        FROM users AS u
        WHERE
            u.user_id = shown.user_id
            OR (shown.user_id IS NULL AND u.stripe_customer_id = dead.customer_id)
        LIMIT 1
    ) AS owner ON TRUE
    CROSS JOIN LATERAL (
        SELECT owner.customer_id IS NULL AND dead.customer_id LIKE 'cus\_%' AS is_unknown
    ) AS whose
    WHERE
        dead.object_id LIKE '{id_pattern}'
        AND (shown.is_later AND (shown.is_certain OR NOT dead.removal)) IS NOT TRUE
    -- end
)

SELECT
    asked.kind,
    asked.object_id,
    asked.customer_id
FROM doubt AS asked
LEFT JOIN LATERAL (
    SELECT letter.id
    FROM (
        -- include dead_answers
    ) AS letter
    WHERE
        letter.status = 'open'
        AND letter.died_at > now() - make_interval(secs => $5::DOUBLE PRECISION)
        AND letter.event_created_at > asked.open_at
    LIMIT 1
) AS dead_answer ON TRUE
WHERE
    asked.object_id <> ALL($2::VARCHAR[])
    AND dead_answer.id IS NULL
GROUP BY
    asked.kind,
    asked.object_id,
    asked.customer_id
ORDER BY
    min(asked.since),
    asked.object_id
LIMIT $3::BIGINT
