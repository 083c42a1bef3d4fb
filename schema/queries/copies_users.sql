-- Read customers' rows as they are, and the address that each should show by everybody's claims.
-- $1 VARCHAR[]: Stripe customer ids
SELECT
    u.stripe_customer_id AS object_id,
    u.stripe_customer_id,
    u.name,
    u.phone,
    u.address,
    u.metadata,
    extract(EPOCH FROM u.stripe_created_at)::BIGINT AS stripe_created_at,
    extract(EPOCH FROM u.stripe_updated_at)::BIGINT AS shown_created,
    u.last_webhook_event_id,
    u.stripe_email,
    u.deleted_at IS NOT NULL AS deleted,
    u.evidence,
    u.email,
    CASE
        WHEN u.deleted_at IS NULL
            AND u.stripe_email <> ''
            AND lower(u.stripe_email) NOT LIKE '%@placeholder.invalid'
            AND NOT EXISTS (
                SELECT
                FROM users AS older
                WHERE
                    older.stripe_email = u.stripe_email
                    AND older.deleted_at IS NULL
                    AND (coalesce(older.stripe_created_at, 'infinity'), older.stripe_customer_id COLLATE "C")
                    < (coalesce(u.stripe_created_at, 'infinity'), u.stripe_customer_id COLLATE "C")
            )
            THEN u.stripe_email
        ELSE u.stripe_customer_id || '@placeholder.invalid'
    END AS email_due
FROM users AS u
WHERE u.stripe_customer_id = ANY($1::VARCHAR[])
