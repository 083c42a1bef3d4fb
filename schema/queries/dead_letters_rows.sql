-- Read what the rows of dead letters' objects show now: which event, of which second, and whether the object has ended.
-- $1 BIGINT[]: dead letter ids
SELECT
    letter.id,
    letter.event_id,
    letter.event_created_at,
    coalesce(
        owner.last_webhook_event_id
        -- for each kind
        , owned_{row_id}.last_webhook_event_id
        -- end
    ) AS shown,
    coalesce(
        owner.stripe_updated_at
        -- for each kind
        , owned_{row_id}.stripe_updated_at
        -- end
    ) AS shown_at,
    owner.user_id IS NOT NULL
    -- for each kind
    OR owned_{row_id}.user_id IS NOT NULL
    -- end
    AS is_there,
    coalesce(
        owner.deleted_at IS NOT NULL
        -- for each kind
        OR owned_{row_id}.{ended_by} IN ({ended_values})
        -- end
        , FALSE
    ) AS has_ended
FROM dead_letters AS letter
LEFT JOIN LATERAL (
    SELECT
        u.user_id,
        u.last_webhook_event_id,
        u.stripe_updated_at,
        u.deleted_at
    FROM users AS u
    WHERE u.stripe_customer_id = letter.object_id
    LIMIT 1 -- keeps the planner from reading whole tables
) AS owner ON TRUE
-- for each kind
LEFT JOIN LATERAL (
    SELECT
        s.user_id,
        s.last_webhook_event_id,
        s.stripe_updated_at,
        s.{ended_by}
    FROM {table} AS s
    WHERE s.{stripe_id} = letter.object_id
    LIMIT 1 -- as above
) AS owned_{row_id} ON TRUE
-- end
WHERE letter.id = ANY($1::BIGINT[])
