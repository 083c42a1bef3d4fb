-- Erase texts that name the person anywhere else: reasons, and filters of bulk operations.
-- $1 VARCHAR[]: what names the person; found in this spelling, and in upper and lower case
WITH named AS (
    SELECT unnest($1::VARCHAR[]) AS name
    UNION
    SELECT lower(unnest($1::VARCHAR[])) AS name
),

letter AS (
    UPDATE dead_letters
    SET resolution = '(erased)'
    WHERE
        status = 'discarded'
        AND EXISTS (SELECT FROM named WHERE strpos(concat_ws(' ', resolution, lower(resolution)), named.name) > 0)
    RETURNING id
),

letter_reason AS (
    UPDATE dead_letter_actions
    SET why = '(erased)'
    WHERE EXISTS (SELECT FROM named WHERE strpos(concat_ws(' ', why, lower(why)), named.name) > 0)
    RETURNING id
),

reason AS (
    UPDATE activity
    SET why = '(erased)'
    WHERE EXISTS (SELECT FROM named WHERE strpos(concat_ws(' ', why, lower(why)), named.name) > 0)
    RETURNING id
),

naming AS (
    SELECT
        id,
        EXISTS (SELECT FROM named WHERE strpos(concat_ws(' ', why, lower(why)), named.name) > 0) AS in_why,
        EXISTS (
            SELECT FROM named WHERE strpos(concat_ws(' ', filter, lower(filter::TEXT)), named.name) > 0
        ) AS in_filter
    FROM operations
),

operation AS (
    UPDATE operations
    SET
        why = CASE WHEN naming.in_why THEN '(erased)' ELSE why END,
        filter = CASE WHEN naming.in_filter THEN '{"ids": []}'::JSONB ELSE filter END
    FROM naming
    WHERE operations.id = naming.id AND (naming.in_why OR naming.in_filter)
    RETURNING operations.id
)

SELECT id
FROM letter
UNION ALL
SELECT id
FROM letter_reason
UNION ALL
SELECT id
FROM reason
UNION ALL
SELECT id
FROM operation
