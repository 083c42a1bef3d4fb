-- List roles and their users, of one address or of all users.
-- $1 VARCHAR: address to sign in with; NULL for all
SELECT
    u.email,
    u.stripe_customer_id,
    r.role,
    r.created_at,
    r.granted_by
FROM user_roles AS r
INNER JOIN users AS u ON u.user_id = r.user_id
WHERE
    $1::VARCHAR IS NULL
    OR u.email = $1::VARCHAR
ORDER BY
    u.email,
    r.role
