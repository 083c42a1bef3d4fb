-- Read the columns of a customer that name the person, and how many roles the person has.
-- $1 VARCHAR: Stripe's id of the customer
SELECT
    email,
    stripe_email,
    claimed_email,
    name,
    phone,
    (SELECT count(*) FROM user_roles AS r WHERE r.user_id = users.user_id) AS roles
FROM users
WHERE stripe_customer_id = $1::VARCHAR
