-- The index that finds customers with the same address in Stripe. In a migration of its own, after its column's, so that only
-- writers wait while the index is made.

CREATE INDEX idx_users_claimed_email ON users (claimed_email);
