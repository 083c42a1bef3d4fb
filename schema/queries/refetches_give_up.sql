-- Stop asking for these objects.
-- $1 VARCHAR[]: object ids
UPDATE notices SET waits_since = NULL WHERE object_id = ANY($1::VARCHAR[])
