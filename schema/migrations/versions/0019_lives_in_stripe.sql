-- A person can be forgotten while the customer lives in Stripe, whose subscriptions have then not ended. When Stripe deletes the
-- customer, they have.
ALTER TABLE users ADD COLUMN lives_in_stripe BOOLEAN NOT NULL DEFAULT FALSE;

COMMENT ON COLUMN users.lives_in_stripe IS 'Deleted here only: the person was forgotten, and Stripe has not said that the customer is deleted. FALSE for all others.';
