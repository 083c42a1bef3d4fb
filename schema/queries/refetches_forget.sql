-- Forget objects of which nothing was told for longer than the ledger remembers.
-- $1 INTEGER: for how many days it does
DELETE FROM notices
WHERE
    noticed_at < now() - make_interval(days => $1::INTEGER)
    AND waits_since IS NULL
