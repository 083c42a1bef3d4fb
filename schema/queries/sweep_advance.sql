-- Move the watermark: every event up to a second is in the ledger or awaited; it never moves back.
-- $1 BIGINT: the second, Unix time
UPDATE sweep_progress SET watermark_at = greatest(watermark_at, to_timestamp($1::BIGINT))
