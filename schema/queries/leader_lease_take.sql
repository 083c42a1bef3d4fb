-- Take the leader lock of some work, which only one session at a time can hold; false if another session holds it.
-- $1 VARCHAR: name of the work
SELECT pg_try_advisory_lock(
    hashtext(concat_ws('.', 'cogento.turn', nullif(current_schema(), 'cogento_internal'))), hashtext($1::VARCHAR)
)
