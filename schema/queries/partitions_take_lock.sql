-- Hold off whoever else makes or drops the ledger's days, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtext('cogento.partitions'))
