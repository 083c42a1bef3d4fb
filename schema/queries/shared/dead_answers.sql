-- What became of Stripe's answers about one object, `asked`, as dead letters.
SELECT
    one.id,
    one.status,
    one.died_at,
    one.event_created_at
FROM dead_letters AS one
WHERE
    one.object_id = asked.object_id
    AND one.event_type LIKE '%.fetched'
OFFSET 0 -- so that the planner goes by the object, however few letters it takes to be open
