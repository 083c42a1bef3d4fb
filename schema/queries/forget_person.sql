-- Read the columns of a customer that name the person, how many roles the person has, and whether a thin event has told that
-- Stripe has deleted the customer.
-- $1 VARCHAR: Stripe's id of the customer
SELECT
    email,
    stripe_email,
    claimed_email,
    name,
    phone,
    (SELECT count(*) FROM user_roles AS r WHERE r.user_id = users.user_id) AS roles,
    EXISTS (SELECT FROM notices AS n WHERE n.object_id = users.stripe_customer_id AND n.ends) AS deleted_in_stripe
FROM users
WHERE stripe_customer_id = $1::VARCHAR
