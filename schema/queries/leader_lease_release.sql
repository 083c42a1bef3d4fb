-- Release the leader lock of some work, for the next process.
-- $1 VARCHAR: name of the work
SELECT pg_advisory_unlock(
    hashtext(concat_ws('.', 'cogento.turn', nullif(current_schema(), 'cogento_internal'))), hashtext($1::VARCHAR)
)
