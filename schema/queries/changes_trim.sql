-- Delete old changes, the oldest first; returns how many.
-- $1 INTEGER: days that they are kept
-- $2 INTEGER: at most so many
SELECT trim_changes($1::INTEGER, $2::INTEGER)
