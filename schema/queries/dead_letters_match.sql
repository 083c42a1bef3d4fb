-- Name all letters that match, oldest event first, with the size of their bodies; 0 where it was erased.
SELECT
    id,
    customer_id,
    coalesce(octet_length(raw_body), 0) AS body_bytes
FROM dead_letters
WHERE
    -- include dead_letters_filter
ORDER BY
    event_created_at,
    id
