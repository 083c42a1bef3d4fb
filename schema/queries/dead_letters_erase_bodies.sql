-- Erase the bytes of resolved letters, for privacy; the letters' records stay.
-- $1 INTEGER: days since it was resolved
UPDATE dead_letters
SET raw_body = NULL
WHERE
    raw_body IS NOT NULL
    AND resolved_at < now() - make_interval(days => $1::INTEGER)
