-- Revoke a role of the customer who signs in with an address, however it was granted.
-- $1 VARCHAR: address to sign in with
-- $2 VARCHAR: role
DELETE FROM user_roles
USING users
WHERE
    users.email = $1::VARCHAR
    AND user_roles.user_id = users.user_id
    AND user_roles.role = $2::VARCHAR
RETURNING user_roles.user_id
