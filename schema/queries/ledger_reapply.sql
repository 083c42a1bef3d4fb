-- Write the outcomes of events of which some were dead letters, and count them. Returns how many were written: an event that
-- got another outcome meanwhile is not changed, and the caller has to run the transaction again. Also returns whether any
-- statuses make members.
WITH entered AS (
    -- include ledger_rows
    ON CONFLICT (event_id, event_created_at) DO UPDATE
    SET
        settled_at = now(),
        outcome = excluded.outcome,
        reason = excluded.reason,
        superseded_by = excluded.superseded_by,
        attempts = excluded.attempts,
        source = excluded.source,
        status_before = excluded.status_before,
        status_after = excluded.status_after
    WHERE entry.outcome = 'dead'
    RETURNING outcome
),

-- include ledger_totals
