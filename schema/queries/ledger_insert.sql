-- Write the outcomes of events, and count them, in the transaction that applies the events. Returns how many were written,
-- and whether any statuses make members (read here, because every batch writes the ledger).
WITH entered AS (
    -- include ledger_rows
    RETURNING outcome
),

-- include ledger_totals
