-- Store whole objects, in the order of their ids, but none of deleted customers.
-- $1 VARCHAR[]: Stripe's ids
-- $2 UUID[]: user ids of their owners
-- $3 VARCHAR[]: ids of the events that contained them
-- $4 JSONB[]: the objects
INSERT INTO stripe_objects (stripe_id, user_id, event_id, object)
SELECT
    new.stripe_id,
    new.user_id,
    new.event_id,
    new.object
FROM unnest(
    $1::TEXT::VARCHAR[], $2::TEXT::UUID[], $3::TEXT::VARCHAR[], $4::TEXT::JSONB[]
) AS new (stripe_id, user_id, event_id, object)
INNER JOIN users ON new.user_id = users.user_id
WHERE users.deleted_at IS NULL
ORDER BY new.stripe_id
ON CONFLICT (stripe_id) DO UPDATE SET
    user_id = excluded.user_id,
    event_id = excluded.event_id,
    object = excluded.object
