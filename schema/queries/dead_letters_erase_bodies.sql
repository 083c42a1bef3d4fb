-- Erase the bytes of dead letters that were closed, for privacy; the letters' records stay.
-- $1 INTEGER: days since a letter was closed
UPDATE dead_letters
SET raw_body = NULL
WHERE
    raw_body IS NOT NULL
    AND resolved_at < now() - make_interval(days => $1::INTEGER)
