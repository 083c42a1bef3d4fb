-- Read a page of the addresses that customers have in Stripe and in their rows, without rows that were not made from an event.
-- $1 VARCHAR: the last Stripe customer id of the page before; empty for the first
-- $2 INTEGER: maximum number of rows
SELECT
    stripe_customer_id,
    stripe_email,
    email,
    claimed_email,
    deleted_at IS NOT NULL AS deleted
FROM users
WHERE
    stripe_customer_id > $1::VARCHAR
    AND (evidence IS NOT NULL OR stripe_email IS NOT NULL)
ORDER BY stripe_customer_id
LIMIT $2::INTEGER
