-- Read rows of {table} as they are.
-- $1 VARCHAR[]: Stripe's ids
SELECT
    s.{stripe_id} AS object_id,
    u.stripe_customer_id,
    extract(EPOCH FROM s.stripe_updated_at)::BIGINT AS shown_created,
    s.last_webhook_event_id,
    s.evidence,
    u.forgotten_at IS NOT NULL AS forgotten,
    {selected}
FROM {table} AS s
INNER JOIN users AS u ON s.user_id = u.user_id
WHERE s.{stripe_id} = ANY($1::VARCHAR[])
