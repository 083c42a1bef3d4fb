-- Read the bytes of a person's dead letters, to find what names the person.
-- $1 VARCHAR[]: the person's customer and objects
SELECT
    id,
    status,
    raw_body
FROM dead_letters
WHERE
    customer_id = ANY($1::VARCHAR[])
    OR object_id = ANY($1::VARCHAR[])
