-- Take a turn that one session at a time can have; false when another one has it.
-- $1 VARCHAR: name of the work
SELECT pg_try_advisory_lock(hashtext('cogento.turn'), hashtext($1::VARCHAR))
