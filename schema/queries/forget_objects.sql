-- Erase the columns of a row of {table} that may be personal: those that the kind keeps as JSON.
-- $1 UUID: id of the row
-- $2 BYTEA: evidence of order
UPDATE {table}
SET
    {erased},
    evidence = $2::BYTEA
WHERE {row_id} = $1::UUID
