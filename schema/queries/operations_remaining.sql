-- Name the letters that an operation has still to deal with, oldest event first. One that it has dealt with is left alone,
-- unless its retry did not come about.
-- $13 BIGINT: number of the operation
SELECT
    id,
    customer_id,
    coalesce(octet_length(raw_body), 0) AS body_bytes
FROM dead_letters
WHERE
    -- include dead_letters_filter
    AND NOT EXISTS (
        SELECT
        FROM dead_letter_actions AS mine
        WHERE
            mine.operation_id = $13::BIGINT
            AND mine.letter_id = dead_letters.id
            AND NOT (
                mine.action IN ('retry', 'reopen')
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
