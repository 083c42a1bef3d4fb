-- Erase what people typed about the person, their objects and their dead letters, also to begin a bulk operation about these.
-- $1 VARCHAR[]: the person's customer and objects
-- $2 VARCHAR: the reason that forgetting a person gives itself; it is kept
WITH letter AS (
    SELECT
        id,
        event_id
    FROM dead_letters
    WHERE customer_id = ANY($1::VARCHAR[]) OR object_id = ANY($1::VARCHAR[])
),

own AS (
    SELECT
        $1::VARCHAR[] || ARRAY(SELECT event_id FROM letter) AS ids,
        ARRAY(SELECT id FROM letter) AS letters
),

letter_reason AS (
    UPDATE dead_letter_actions
    SET why = NULL
    WHERE
        letter_id = ANY(ARRAY(SELECT id FROM letter))
        AND why IS NOT NULL
        AND why <> $2::VARCHAR
        AND who <> 'worker'
    RETURNING id
),

reason AS (
    UPDATE activity
    SET why = ''
    FROM own
    WHERE
        activity.about = ANY(own.ids)
        AND activity.why <> ''
    RETURNING activity.id
),

operation AS (
    UPDATE operations
    SET
        why = '',
        filter = '{"ids": []}'::JSONB
    FROM own
    WHERE
        (
            operations.filter ->> 'about' = ANY(own.ids)
            -- chosen one by one, and all of them the person's
            OR (operations.filter -> 'ids' <> '[]'::JSONB AND operations.filter -> 'ids' <@ to_jsonb(own.letters))
        )
    RETURNING operations.id
)

SELECT id
FROM letter_reason
UNION ALL
SELECT id
FROM reason
UNION ALL
SELECT id
FROM operation
