-- Read the changes after a given change, in the order of commits.
-- $1 BIGINT: number of the last change that was read
-- $2 INTEGER: maximum number of rows
SELECT
    change_id,
    changed_at,
    kind,
    action,
    user_id,
    user_id_before,
    customer_id,
    row_id,
    object_id,
    role,
    columns,
    status_before,
    status_after,
    event_id
FROM changes_after($1::BIGINT, $2::INTEGER)
