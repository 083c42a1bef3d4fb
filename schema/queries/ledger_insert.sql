-- Write what became of events, and count it, in the transaction that made it so. Returns how many were written, and
-- whether any statuses make members (read here, because every batch writes the ledger).
WITH entered AS (
    -- include ledger_rows
    RETURNING outcome
),

-- include ledger_totals
