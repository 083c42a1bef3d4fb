-- Erase what people typed about the person's dead letters, and about the person or their objects.
-- $1 VARCHAR[]: the person's customer and objects
-- $2 VARCHAR: the reason that forgetting a person gives itself; it is kept
WITH letter_reason AS (
    UPDATE dead_letter_actions
    SET why = NULL
    WHERE
        letter_id = ANY(
            ARRAY(
                SELECT id
                FROM dead_letters
                WHERE customer_id = ANY($1::VARCHAR[]) OR object_id = ANY($1::VARCHAR[])
            )
        )
        AND why IS NOT NULL
        AND why <> $2::VARCHAR
        AND who <> 'worker'
    RETURNING id
),

reason AS (
    UPDATE activity
    SET why = ''
    WHERE
        about = ANY($1::VARCHAR[])
        AND why <> ''
    RETURNING id
)

SELECT id
FROM letter_reason
UNION ALL
SELECT id
FROM reason
