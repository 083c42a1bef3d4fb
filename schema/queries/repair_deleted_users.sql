-- Find the deleted ones in a page of users; the page's last Stripe customer id is NULL after the last page.
-- $1 VARCHAR: the last Stripe customer id of the page before; empty for the first
-- $2 INTEGER: maximum number of rows
SELECT
    max(page.stripe_customer_id) AS last_id,
    array_agg(page.user_id) FILTER (WHERE page.deleted_at IS NOT NULL) AS deleted
FROM (
    SELECT
        user_id,
        stripe_customer_id,
        deleted_at
    FROM users
    WHERE stripe_customer_id > $1::VARCHAR
    ORDER BY stripe_customer_id
    LIMIT $2::INTEGER
) AS page
