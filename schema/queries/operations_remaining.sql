-- Name the letters that an operation still has to deal with, oldest event first. One that it has dealt with is left out,
-- unless its retry did not come about. One index probe for each letter, whatever the planner estimates for the operation.
-- $14 BIGINT: number of the operation
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
