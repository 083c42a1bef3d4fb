-- Begin a bulk operation; returns no row while another one runs.
-- $1 VARCHAR: kind
-- $2 JSONB: filter
-- $3 BIGINT: the newest dead letter that it may process
-- $4 BIGINT: how many dead letters match
-- $5 VARCHAR: who
-- $6 VARCHAR: why
-- $7 INTEGER: maximum number of letters per second; NULL for no limit
-- $8 VARCHAR: token of the process that runs it
WITH begun AS (
    INSERT INTO operations (kind, filter, newest_letter, total, who, why, rate, runner)
    VALUES (
        $1::VARCHAR, $2::JSONB, $3::BIGINT, $4::BIGINT, $5::VARCHAR, $6::VARCHAR, $7::INTEGER, $8::VARCHAR
    )
    ON CONFLICT DO NOTHING
    RETURNING *
)

SELECT
    -- include operations_columns
FROM begun
