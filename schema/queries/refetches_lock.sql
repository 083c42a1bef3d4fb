-- Lock what is known of objects that thin events named, in the order in which they are given.
-- $1 VARCHAR[]: object ids
SELECT known.object_id
FROM unnest($1::VARCHAR[]) WITH ORDINALITY AS asked (object_id, place)
INNER JOIN notices AS known ON asked.object_id = known.object_id
ORDER BY asked.place
FOR NO KEY UPDATE OF known
