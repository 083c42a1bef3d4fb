-- Note what Stripe told of objects. It has to be asked no more for those that it surely told the last of: its
-- answer is later than all that was told of the object, and shows that it has ended if that was told. Where
-- more was told since, that begins to wait now.
-- $1 VARCHAR[]: object ids
-- $2 BIGINT[]: when, by Stripe's clock, Unix time
-- $3 BOOLEAN[]: whether the answer shows that it has ended
-- $4 INTEGER: by how many seconds an answer must be later to be surely later
UPDATE notices AS known
SET
    answered_at = greatest(known.answered_at, to_timestamp(answer.answered)),
    ends = known.ends OR answer.ended,
    waits_since = CASE
        WHEN known.waits_since IS NULL THEN NULL
        WHEN known.ends AND NOT answer.ended THEN known.waits_since
        WHEN known.told_at + make_interval(secs => $4::INTEGER) < to_timestamp(answer.answered) THEN NULL
        ELSE now()
    END
FROM unnest($1::VARCHAR[], $2::BIGINT[], $3::BOOLEAN[]) AS answer (object_id, answered, ended)
WHERE known.object_id = answer.object_id
