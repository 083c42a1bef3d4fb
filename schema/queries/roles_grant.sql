-- Grant a role by hand to the customer, not deleted, who signs in with an address. A role that followed from a subscription
-- counts as granted by hand from now on. Returns no row if no customer signs in with the address.
-- $1 VARCHAR: address to sign in with
-- $2 VARCHAR: role
WITH holder AS (
    SELECT user_id
    FROM users
    WHERE
        email = $1::VARCHAR
        AND deleted_at IS NULL
    FOR NO KEY UPDATE -- a concurrent deletion either removes this role as well or is finished first
)
INSERT INTO user_roles (user_id, role, granted_by)
SELECT
    user_id,
    $2::VARCHAR,
    'hand'
FROM holder
ON CONFLICT (user_id, role) DO UPDATE
SET granted_by = 'hand'
RETURNING user_id
