-- Sum up the outcomes of all events, and count unsure rows and objects that Stripe has to be asked for.
SELECT
    coalesce(sum(applied), 0)::BIGINT AS applied,
    coalesce(sum(unchanged), 0)::BIGINT AS unchanged,
    coalesce(sum(duplicate), 0)::BIGINT AS duplicate,
    coalesce(sum(stale), 0)::BIGINT AS stale,
    coalesce(sum(superseded), 0)::BIGINT AS superseded,
    coalesce(sum(dead), 0)::BIGINT AS dead,
    (SELECT count(*) FROM users WHERE unsure)
    -- for each kind
    + (SELECT count(*) FROM {table} WHERE unsure)
    -- end
    AS unsure,
    (SELECT count(*) FROM notices WHERE waits_since <= now()) AS to_ask
FROM outcome_totals
