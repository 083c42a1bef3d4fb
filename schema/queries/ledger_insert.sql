-- Write what became of events, and count it, in the transaction that made it so. Gives back how many were
-- written, and whether statuses are decided on that make members (asked here, for every batch writes the ledger).
WITH entered AS (
    -- include ledger_rows
    RETURNING outcome
),

-- include ledger_totals
