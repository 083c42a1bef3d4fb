-- Count events that were missing, and record those that are not in the ledger yet.
-- $1 BIGINT: how many were missing
-- $2 VARCHAR[]: event ids to wait for
-- $3 BIGINT[]: when Stripe created them, Unix seconds
WITH awaited AS (
    INSERT INTO awaited_events (event_id, event_created_at)
    SELECT
        event_id,
        to_timestamp(created)
    FROM unnest($2::VARCHAR[], $3::BIGINT[]) AS event (event_id, created)
    ON CONFLICT (event_id) DO NOTHING
)

UPDATE sweep_progress SET missing = missing + $1::BIGINT
