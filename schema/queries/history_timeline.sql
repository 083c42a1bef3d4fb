-- Read a part of a customer's events, the newest first, each with its dead letter if it has one.
-- $1 VARCHAR[]: the customer and its objects: thin events are stored under their object, because they name no customer
-- $2 VARCHAR: only of this object; NULL for all
-- $3 BOOLEAN: only events that changed a row, or became dead letters
-- $4 TIMESTAMPTZ: second of the event before which to read; NULL for the newest
-- $5 TIMESTAMPTZ: when that event was settled
-- $6 VARCHAR: id of that event
-- $7 INTEGER: maximum number of rows
SELECT
    -- include ledger_columns
    ,
    (
        SELECT max(letter.id)
        FROM dead_letters AS letter
        WHERE letter.event_id = entry.event_id
    ) AS letter_id
FROM unnest($1::VARCHAR[]) AS asked (customer_id)
CROSS JOIN LATERAL (
    SELECT
        -- include ledger_columns
    FROM webhook_events AS e
    WHERE
        e.customer_id = asked.customer_id
        AND ($2::VARCHAR IS NULL OR e.object_id = $2::VARCHAR)
        AND (NOT $3::BOOLEAN OR e.outcome IN ('applied', 'dead'))
        AND (
            $4::TIMESTAMPTZ IS NULL
            OR (
                e.event_created_at <= $4::TIMESTAMPTZ
                AND (e.event_created_at, e.settled_at, e.event_id)
                < ($4::TIMESTAMPTZ, $5::TIMESTAMPTZ, $6::VARCHAR)
            )
        )
    ORDER BY
        e.event_created_at DESC,
        e.settled_at DESC,
        e.event_id DESC
    LIMIT $7::INTEGER
) AS entry
ORDER BY
    event_created_at DESC,
    settled_at DESC,
    event_id DESC
LIMIT $7::INTEGER
