-- Say that everything up to a second is present or waited for; never goes back.
-- $1 BIGINT: the second, Unix time
UPDATE sweep_progress SET watermark_at = greatest(watermark_at, to_timestamp($1::BIGINT))
