-- Every row of users as the truth writes it: times in Unix seconds, JSON as text.
SELECT
    stripe_customer_id,
    email,
    stripe_email,
    name,
    phone,
    address::TEXT AS address,
    metadata::TEXT AS metadata,
    deleted_at IS NOT NULL AS deleted,
    extract(EPOCH FROM stripe_created_at)::BIGINT AS stripe_created_at,
    extract(EPOCH FROM stripe_updated_at)::BIGINT AS stripe_updated_at,
    last_webhook_event_id,
    unsure,
    (
        SELECT count(*)
        FROM user_roles
        WHERE user_roles.user_id = users.user_id AND users.deleted_at IS NOT NULL
    ) AS roles_after_deletion
FROM users
