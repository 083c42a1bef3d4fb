-- Count what was applied (as far back as the ledger reaches), what nobody has dealt with, what is unsure.
SELECT
    (SELECT count(*) FROM webhook_events WHERE outcome = 'applied') AS applied,
    (SELECT count(*) FROM dead_letters WHERE status IN ('open', 'retrying')) AS dead,
    (SELECT count(*) FROM users WHERE unsure) + (SELECT count(*) FROM subscriptions WHERE unsure) AS unsure
