-- Erase what thin events told of somebody and their objects: Stripe is not asked for them any more.
-- $1 VARCHAR[]: whose, customers and objects
DELETE FROM notices
WHERE object_id = ANY($1::VARCHAR[])
RETURNING object_id
