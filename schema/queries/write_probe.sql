-- Write one row, to find out whether Postgres accepts writes.
INSERT INTO write_probe (id)
VALUES (TRUE)
ON CONFLICT (id) DO UPDATE
SET written_at = now()
