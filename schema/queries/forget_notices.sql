-- Erase the requests that thin events made for a person's objects: Stripe is not asked for them any more.
-- $1 VARCHAR[]: the person's customer and objects
DELETE FROM notices
WHERE object_id = ANY($1::VARCHAR[])
RETURNING object_id, waits_since IS NOT NULL AS waits
