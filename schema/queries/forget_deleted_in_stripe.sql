-- Note that Stripe, too, has deleted a customer who is forgotten.
-- $1 VARCHAR: Stripe's id of the customer
UPDATE users
SET lives_in_stripe = FALSE
WHERE stripe_customer_id = $1::VARCHAR
