-- Lock these rows of {table} and all rows of these users in it, in the one order that every transaction keeps; the rows of
-- their owners must be locked before.
-- $1 VARCHAR[]: Stripe's ids
-- $2 UUID[]: user ids
SELECT
    s.{row_id},
    s.{stripe_id},
    u.stripe_customer_id,
    {selected},
    s.last_webhook_event_id,
    s.evidence,
    s.unsure
FROM {table} AS s
INNER JOIN users AS u ON u.user_id = s.user_id
WHERE
    s.{stripe_id} = ANY($1::VARCHAR[])
    OR s.user_id = ANY($2::UUID[])
ORDER BY s.{stripe_id}
FOR NO KEY UPDATE OF s
