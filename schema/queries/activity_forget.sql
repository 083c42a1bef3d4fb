-- Delete old activity, and bulk operations that ended long ago. Actions on a letter stay as long as the letter.
-- $1 INTEGER: days since, 400 at least
SELECT forget_old_activity($1::INTEGER)
