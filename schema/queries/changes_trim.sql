-- Delete old changes, the oldest first; returns how many.
-- $1 INTEGER: days for which changes are kept
-- $2 INTEGER: maximum number of rows
SELECT trim_changes($1::INTEGER, $2::INTEGER)
