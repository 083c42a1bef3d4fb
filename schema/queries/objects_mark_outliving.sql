-- Mark rows of {table} as unsure whose objects have not ended although their customers are deleted. Locks them in the one
-- order that every transaction keeps.
-- $1 UUID[]: the users whose rows these are
WITH outliving AS (
    SELECT s.{row_id}
    FROM {table} AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    WHERE
        u.user_id = ANY($1::UUID[])
        AND {outlives}
        AND NOT s.unsure
    ORDER BY s.{stripe_id}
    FOR NO KEY UPDATE OF s
)

UPDATE {table}
SET
    unsure = TRUE,
    synced_at = now()
FROM outliving
WHERE {table}.{row_id} = outliving.{row_id}
