-- Let the next one have a turn.
-- $1 VARCHAR: name of the work
SELECT pg_advisory_unlock(hashtext('cogento.turn'), hashtext($1::VARCHAR))
