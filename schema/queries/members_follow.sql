-- Grant the role member to those of these users who have a subscription with a status that makes members, and revoke it from
-- the others. A role granted by hand is neither replaced nor revoked; deleted users get none. While no statuses make members,
-- roles are not changed.
-- $1 UUID[]: user ids, their rows locked
WITH rule AS (
    SELECT statuses
    FROM member_statuses
    WHERE statuses <> '{}'
),

member AS (
    SELECT u.user_id
    FROM users AS u
    WHERE
        u.user_id = ANY($1::UUID[])
        AND EXISTS (SELECT FROM rule)
        AND u.deleted_at IS NULL
        AND EXISTS (
            SELECT
            FROM subscriptions AS s
            WHERE
                s.user_id = u.user_id
                AND s.status = ANY((SELECT rule.statuses FROM rule)::VARCHAR[])
        )
),

granted AS (
    INSERT INTO user_roles (user_id, role, granted_by)
    SELECT
        user_id,
        'member',
        'subscription'
    FROM member
    ON CONFLICT (user_id, role) DO NOTHING
)

DELETE FROM user_roles
WHERE
    user_id = ANY($1::UUID[])
    AND role = 'member'
    AND granted_by = 'subscription'
    AND EXISTS (SELECT FROM rule)
    AND NOT EXISTS (SELECT FROM member WHERE member.user_id = user_roles.user_id)
