-- Write whether customers who are deleted here live in Stripe.
-- $1 UUID[]: user ids
-- $2 BOOLEAN[]: whether the customer lives in Stripe
UPDATE users
SET lives_in_stripe = new.lives_in_stripe
FROM unnest($1::TEXT::UUID[], $2::TEXT::BOOLEAN[]) AS new (user_id, lives_in_stripe)
WHERE users.user_id = new.user_id
