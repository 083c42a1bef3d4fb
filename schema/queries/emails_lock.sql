-- Lock the buckets of these addresses until the transaction ends, one after the other, waiting for each: only the holder of a
-- bucket may assign its addresses.
-- $1 INTEGER: the lock's class
-- $2 INTEGER[]: buckets of addresses, sorted: they are locked in this order
SELECT count(pg_advisory_xact_lock($1::INTEGER # coalesce(hashtext(nullif(current_schema(), 'cogento_internal')), 0), bucket))
FROM unnest($2::INTEGER[]) AS bucket
