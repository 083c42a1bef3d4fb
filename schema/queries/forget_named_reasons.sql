-- Erase texts that name the person anywhere else: reasons, and filters of bulk operations.
-- $1 VARCHAR[]: what names the person, in lower case
WITH named AS (
    SELECT unnest($1::VARCHAR[]) AS name
),

letter AS (
    UPDATE dead_letters
    SET resolution = '(erased)'
    WHERE
        status = 'discarded'
        AND EXISTS (SELECT FROM named WHERE strpos(lower(dead_letters.resolution), named.name) > 0)
    RETURNING id
),

letter_reason AS (
    UPDATE dead_letter_actions
    SET why = '(erased)'
    WHERE EXISTS (SELECT FROM named WHERE strpos(lower(dead_letter_actions.why), named.name) > 0)
    RETURNING id
),

reason AS (
    UPDATE activity
    SET why = '(erased)'
    WHERE EXISTS (SELECT FROM named WHERE strpos(lower(activity.why), named.name) > 0)
    RETURNING id
),

operation AS (
    UPDATE operations
    SET
        why = CASE
            WHEN EXISTS (SELECT FROM named WHERE strpos(lower(operations.why), named.name) > 0) THEN '(erased)'
            ELSE why
        END,
        filter = CASE
            WHEN EXISTS (SELECT FROM named WHERE strpos(lower(operations.filter::TEXT), named.name) > 0)
                THEN '{"ids": []}'::JSONB
            ELSE filter
        END
    WHERE EXISTS (SELECT FROM named WHERE strpos(lower(concat_ws(' ', why, filter::TEXT)), named.name) > 0)
    RETURNING id
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
