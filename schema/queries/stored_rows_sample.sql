-- Name rows of both tables at random; reads all of both.
-- $1 BIGINT: how many at most
SELECT
    one.kind,
    one.object_id,
    one.customer_id
FROM (
    SELECT
        'customer' AS kind,
        stripe_customer_id AS object_id,
        stripe_customer_id AS customer_id
    FROM users
    UNION ALL
    SELECT
        'subscription',
        s.stripe_subscription_id,
        u.stripe_customer_id
    FROM subscriptions AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
) AS one
ORDER BY random()
LIMIT $1::BIGINT
