-- By the address that they have in Stripe, customers find each other. Apart from its column, so that only writers wait
-- while the index is made.

CREATE INDEX idx_users_claimed_email ON users (claimed_email);
