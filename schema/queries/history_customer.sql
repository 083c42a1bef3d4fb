-- Read a customer for people: the row and the roles.
-- $1 VARCHAR: Stripe's id of the customer
SELECT
    user_id::TEXT AS user_id,
    stripe_customer_id AS customer_id,
    email,
    stripe_email,
    name,
    stripe_created_at,
    stripe_updated_at,
    synced_at,
    deleted_at,
    last_webhook_event_id,
    unsure,
    ARRAY(SELECT r.role FROM user_roles AS r WHERE r.user_id = users.user_id ORDER BY r.role) AS roles
FROM users
WHERE stripe_customer_id = $1::VARCHAR
