-- Give rows the address they are signed in with.
-- $1 UUID[]: user ids
-- $2 VARCHAR[]: their addresses
UPDATE users
SET email = new.email
FROM unnest($1::TEXT::UUID[], $2::TEXT::VARCHAR[]) AS new (user_id, email)
WHERE users.user_id = new.user_id
