-- List the ledger's days, each with the server's current date; one row without a day if there are none.
SELECT
    (now() AT TIME ZONE 'UTC')::DATE AS today,
    to_date(substring(partition.relname FROM '^webhook_events_(\d{8})$'), 'YYYYMMDD') AS day
FROM pg_inherits AS link
INNER JOIN pg_class AS partition ON partition.oid = link.inhrelid
WHERE link.inhparent = 'webhook_events'::REGCLASS
