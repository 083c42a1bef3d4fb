-- Delete old activity, the oldest first; what names those who were forgotten stays.
-- $1 INTEGER: days since it was done
DELETE FROM activity
WHERE id IN (
    SELECT id
    FROM activity
    WHERE
        happened_at < now() - make_interval(days => $1::INTEGER)
        AND action <> 'forget'
    ORDER BY id
    LIMIT 10000
)
