-- Create the ledger's partition of a day, unless another session has done so meanwhile; true if this session did it.
-- $1 DATE: the day, UTC
SELECT make_ledger_day($1::DATE)
