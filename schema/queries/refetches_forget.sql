-- Delete the records of objects that no thin event has named for longer than the ledger's retention, and that Stripe need not
-- be asked for.
-- $1 INTEGER: the ledger's retention in days
DELETE FROM notices
WHERE
    noticed_at < now() - make_interval(days => $1::INTEGER)
    AND waits_since IS NULL
