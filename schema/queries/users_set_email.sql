-- Set the address to sign in with, and the address that the row claims.
-- $1 UUID[]: user ids
-- $2 VARCHAR[]: their addresses
-- $3 VARCHAR[]: the addresses that they have in Stripe, in their canonical form
UPDATE users
SET
    email = new.email,
    claimed_email = new.claimed_email
FROM unnest($1::TEXT::UUID[], $2::TEXT::VARCHAR[], $3::TEXT::VARCHAR[]) AS new (user_id, email, claimed_email)
WHERE users.user_id = new.user_id
