-- Name objects that Stripe should list, in the order of their ids: subscriptions, and customers that live.
-- $1 VARCHAR: kind of object
-- $2 VARCHAR: after which id
-- $3 BIGINT: how many at most
(
    SELECT
        'customer' AS kind,
        stripe_customer_id AS object_id,
        stripe_customer_id AS customer_id
    FROM users
    WHERE
        $1::VARCHAR = 'customer'
        AND stripe_customer_id > $2::VARCHAR
        AND deleted_at IS NULL
    ORDER BY stripe_customer_id
    LIMIT $3::BIGINT
)
UNION ALL
(
    SELECT
        'subscription',
        s.stripe_subscription_id,
        u.stripe_customer_id
    FROM subscriptions AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    WHERE
        $1::VARCHAR = 'subscription'
        AND s.stripe_subscription_id > $2::VARCHAR
    ORDER BY s.stripe_subscription_id
    LIMIT $3::BIGINT
)
