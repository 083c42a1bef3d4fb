-- Delete old activity, and bulk operations that ended long ago. What was done to a letter stays with it.
-- $1 INTEGER: days since, 400 at least
SELECT forget_old_activity($1::INTEGER)
