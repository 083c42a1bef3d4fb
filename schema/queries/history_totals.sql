-- Sum up how events ended since the beginning, and count what wants a person's or Stripe's word.
SELECT
    sum(applied)::BIGINT AS applied,
    sum(unchanged)::BIGINT AS unchanged,
    sum(duplicate)::BIGINT AS duplicate,
    sum(stale)::BIGINT AS stale,
    sum(superseded)::BIGINT AS superseded,
    sum(dead)::BIGINT AS dead,
    (SELECT count(*) FROM dead_letters WHERE status IN ('open', 'retrying')) AS letters,
    (SELECT count(*) FROM users WHERE unsure) AS unsure_users,
    (SELECT count(*) FROM subscriptions WHERE unsure) AS unsure_subscriptions
FROM outcome_totals
