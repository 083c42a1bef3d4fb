-- List the dead letters that a bulk operation still has to process, oldest event first. A letter that it has processed is left
-- out, unless the retry did not take place. One index probe for each letter, whatever the planner estimates for the operation.
-- $14 BIGINT: number of the bulk operation
SELECT
    id,
    coalesce(octet_length(raw_body), 0) AS body_bytes
FROM dead_letters
LEFT JOIN LATERAL (
    SELECT mine.action
    FROM dead_letter_actions AS mine
    WHERE
        mine.operation_id = $14::BIGINT
        AND mine.letter_id = dead_letters.id
    LIMIT 1
) AS taken ON TRUE
WHERE
    -- include dead_letters_filter
    AND (
        taken.action IS NULL
        OR (
            taken.action <> 'discard'
            AND 'reopen' = (
                SELECT latest.action
                FROM dead_letter_actions AS latest
                WHERE latest.letter_id = dead_letters.id
                ORDER BY latest.id DESC
                LIMIT 1
            )
        )
    )
ORDER BY
    event_created_at,
    id
