-- Erase the whole objects of users.
-- $1 UUID[]: user ids
DELETE FROM stripe_objects
WHERE user_id = ANY($1::UUID[])
