-- Record for which objects Stripe has answered. A copy that Stripe answers from may lag, so Stripe need not be asked for an
-- object again only if the answer is later, by more than the lag, than all thin events of the object, and shows that the object
-- has ended if one of them said so. An answer that is later by less may be complete: Stripe is asked once more when no copy can
-- lag so far. If a thin event may be later than the answer, the wait to ask again begins now.
-- $1 VARCHAR[]: object ids
-- $2 BIGINT[]: when Stripe answered, by Stripe's clock, Unix time
-- $3 BOOLEAN[]: whether the answer shows that the object has ended
-- $4 INTEGER: by how many seconds an answer must be later than an event to be surely later
-- $5 INTEGER: by how many seconds a copy may lag
UPDATE notices AS known
SET
    answered_at = greatest(known.answered_at, to_timestamp(answer.answered)),
    ends = known.ends OR answer.ended,
    waits_since = CASE
        WHEN known.waits_since IS NULL THEN NULL
        WHEN known.ends AND NOT answer.ended THEN known.waits_since
        WHEN known.told_at + make_interval(secs => $5::INTEGER) < to_timestamp(answer.answered) THEN NULL
        WHEN known.told_at + make_interval(secs => $4::INTEGER) < to_timestamp(answer.answered)
            THEN now() + make_interval(secs => $5::INTEGER)
        ELSE now()
    END
FROM unnest($1::VARCHAR[], $2::BIGINT[], $3::BOOLEAN[]) AS answer (object_id, answered, ended)
WHERE known.object_id = answer.object_id
