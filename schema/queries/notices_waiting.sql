-- Count the objects that Stripe has to be asked for, and say since when the first one waits.
SELECT
    count(*) AS objects,
    extract(EPOCH FROM now() - min(waits_since))::DOUBLE PRECISION AS oldest_seconds
FROM notices
WHERE waits_since IS NOT NULL
