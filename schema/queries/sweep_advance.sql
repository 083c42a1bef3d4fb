-- Advance the watermark to a second up to which every event is in the ledger or awaited. It never moves back.
-- $1 BIGINT: the second, Unix time
UPDATE sweep_progress SET watermark_at = greatest(watermark_at, to_timestamp($1::BIGINT))
