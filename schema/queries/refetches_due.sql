-- Find objects that Stripe has to be asked for, and whose they are, as far as rows show it: no thin event has named them again
-- for a while, or they have waited for long. The longest wait comes first. Nothing is due for a while after an answer that is
-- later than all thin events became a dead letter.
-- $1 DOUBLE: minimum seconds since the last thin event
-- $2 DOUBLE: or minimum seconds since the wait began
-- $3 VARCHAR[]: ids of objects to leave out
-- $4 BIGINT: maximum number of objects
-- $5 VARCHAR[]: the kinds that this release knows
-- $6 DOUBLE: seconds since an answer became a dead letter, if it did
SELECT
    asked.kind,
    asked.object_id,
    asked.ends,
    asked.raw_body,
    owner.customer_id,
    extract(EPOCH FROM now() - asked.waits_since)::DOUBLE PRECISION AS waited_seconds
FROM notices AS asked
LEFT JOIN LATERAL (
    SELECT letter.id
    FROM (
        -- include dead_answers
    ) AS letter
    WHERE
        letter.status = 'open'
        AND letter.died_at > now() - make_interval(secs => $6::DOUBLE PRECISION)
        AND letter.event_created_at > asked.told_at
    LIMIT 1
) AS dead_answer ON TRUE
LEFT JOIN LATERAL (
    SELECT u.stripe_customer_id AS customer_id
    FROM users AS u
    WHERE u.stripe_customer_id = asked.object_id
    -- for each kind
    UNION ALL
    SELECT u.stripe_customer_id
    FROM {table} AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    WHERE s.{stripe_id} = asked.object_id
    -- end
    LIMIT 1
) AS owner ON TRUE
WHERE
    asked.waits_since <= now()
    AND (
        asked.noticed_at < now() - make_interval(secs => $1::DOUBLE PRECISION)
        OR asked.waits_since < now() - make_interval(secs => $2::DOUBLE PRECISION)
    )
    AND asked.object_id <> ALL($3::VARCHAR[])
    AND asked.kind = ANY($5::VARCHAR[])
    AND dead_answer.id IS NULL
ORDER BY asked.waits_since, asked.object_id
LIMIT $4::BIGINT
