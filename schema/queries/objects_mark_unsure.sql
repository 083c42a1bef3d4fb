-- Mark rows of {table} as unsure whose customer was deleted: Stripe ends these objects, whose own events have not arrived.
-- $1 UUID[]: ids of the rows
UPDATE {table}
SET
    unsure = TRUE,
    synced_at = now()
FROM unnest($1::TEXT::UUID[]) AS doubted ({row_id})
WHERE {table}.{row_id} = doubted.{row_id}
