-- Lock the buckets of these addresses without waiting; false when another transaction has one of them.
-- $1 INTEGER: the lock's class
-- $2 INTEGER[]: buckets of addresses
SELECT bool_and(pg_try_advisory_xact_lock($1::INTEGER # coalesce(hashtext(nullif(current_schema(), 'cogento_internal')), 0), bucket))
FROM unnest($2::INTEGER[]) AS bucket
