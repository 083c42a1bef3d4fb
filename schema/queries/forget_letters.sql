-- Erase the bytes of a person's dead letters, and what people typed about them. The record and the hash of the bytes stay; open
-- letters are discarded, because they cannot be retried any more.
-- $1 VARCHAR[]: the person's customer and objects
-- $2 VARCHAR: who
-- $3 VARCHAR: the resolution of discarded letters
WITH mine AS (
    SELECT
        id,
        status
    FROM dead_letters
    WHERE
        (customer_id = ANY($1::VARCHAR[]) OR object_id = ANY($1::VARCHAR[]))
        AND (
            raw_body IS NOT NULL
            OR status IN ('open', 'retrying')
            OR (status = 'discarded' AND resolution IS DISTINCT FROM $3::VARCHAR)
        )
    ORDER BY id
    FOR UPDATE
),

erased AS (
    UPDATE dead_letters
    SET
        raw_body = NULL,
        status = CASE WHEN dead_letters.status = 'resolved' THEN 'resolved' ELSE 'discarded' END,
        resolution = CASE WHEN dead_letters.status = 'resolved' THEN dead_letters.resolution ELSE $3::VARCHAR END,
        resolved_by = coalesce(dead_letters.resolved_by, $2::VARCHAR),
        resolved_at = coalesce(dead_letters.resolved_at, now())
    FROM mine
    WHERE dead_letters.id = mine.id
    RETURNING dead_letters.id
),

noted AS (
    INSERT INTO dead_letter_actions (letter_id, action, who, why)
    SELECT
        id,
        'discard',
        $2::VARCHAR,
        $3::VARCHAR
    FROM mine
    WHERE status IN ('open', 'retrying')
)

SELECT id
FROM erased
