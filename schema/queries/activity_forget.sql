-- Delete old activity, and bulk operations that ended long ago. Actions on a dead letter are kept as long as the letter.
-- $1 INTEGER: minimum age in days, at least 400
SELECT forget_old_activity($1::INTEGER)
