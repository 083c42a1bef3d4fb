-- Record what an operator did.
-- $1 VARCHAR: who
-- $2 VARCHAR: action
-- $3 VARCHAR: about, an id; NULL for none
-- $4 VARCHAR: why; may be empty
-- $5 JSONB: details
INSERT INTO activity (who, action, about, why, details)
VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::JSONB)
