-- Grant a role by hand to the live customer who signs in with an address. A role that followed from a
-- subscription counts as granted by hand from now on. No row comes back when nobody signs in with the address.
-- $1 VARCHAR: address to sign in with
-- $2 VARCHAR: role
WITH holder AS (
    SELECT user_id
    FROM users
    WHERE
        email = $1::VARCHAR
        AND deleted_at IS NULL
    FOR NO KEY UPDATE -- a deletion under way removes this role as well, or is done first
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
