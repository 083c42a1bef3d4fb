-- Lock the buckets of these addresses, in order and waiting, until the transaction ends: only the holder may assign them.
-- $1 INTEGER: the lock's class
-- $2 INTEGER[]: buckets of addresses, sorted: they are taken as they come
SELECT count(pg_advisory_xact_lock($1::INTEGER # coalesce(hashtext(nullif(current_schema(), 'cogento_internal')), 0), bucket))
FROM unnest($2::INTEGER[]) AS bucket
