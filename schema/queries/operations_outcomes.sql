-- Count the dead letters that a bulk operation processed, by status and by how they ended.
-- $1 BIGINT: number of the bulk operation
SELECT
    letter.status,
    CASE letter.status WHEN 'resolved' THEN letter.resolution END AS resolution,
    count(*) AS letters
FROM dead_letters AS letter
WHERE
    letter.id IN (
        SELECT mine.letter_id
        FROM dead_letter_actions AS mine
        WHERE mine.operation_id = $1::BIGINT
    )
GROUP BY
    1,
    2
ORDER BY
    1,
    2
