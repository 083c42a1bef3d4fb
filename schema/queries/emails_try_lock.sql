-- Take the right to say who holds these addresses, without waiting; false when somebody else has one.
-- $1 INTEGER: the lock's class
-- $2 INTEGER[]: buckets of addresses
SELECT bool_and(pg_try_advisory_xact_lock($1::INTEGER # coalesce(hashtext(nullif(current_schema(), 'cogento_internal')), 0), bucket))
FROM unnest($2::INTEGER[]) AS bucket
