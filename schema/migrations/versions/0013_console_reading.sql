-- What the console reads stays quick over a hundred thousand letters (docs/benchmarks.md).

-- All but the smallest bodies are stored out of line (TOAST): counting and listing letters reads a seventh as much, and closing
-- one no longer copies its body. Vacuumed early, so that counts need only indexes soon after many letters were closed.
ALTER TABLE dead_letters SET (
    toast_tuple_target = 1024,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_insert_scale_factor = 0.01
);

-- With bodies out of line it need not include counted columns: it finds letters of a status and a cause, and is a fortieth as large.
DROP INDEX idx_dead_letters_cause;
CREATE INDEX idx_dead_letters_cause ON dead_letters (status, fingerprint);

-- Unresolved letters are counted from the index alone, once a second for each console.
DROP INDEX idx_dead_letters_unresolved_died_at;
CREATE INDEX idx_dead_letters_unresolved_died_at ON dead_letters (died_at)
INCLUDE (status, failure_class)
WHERE status IN ('open', 'retrying');
CREATE INDEX idx_dead_letters_unresolved_removals ON dead_letters (object_id)
WHERE removal AND status IN ('open', 'retrying');

-- Finds the latest action of a letter without sorting.
DROP INDEX idx_dead_letter_actions_letter_id;
CREATE INDEX idx_dead_letter_actions_letter_id ON dead_letter_actions (letter_id, id);

-- Finds one person's actions among those of all.
CREATE INDEX idx_activity_who ON activity (who, id);
CREATE INDEX idx_activity_action ON activity (action, id);
CREATE INDEX idx_dead_letter_actions_who ON dead_letter_actions (who, id) WHERE operation_id IS NULL;

-- What operators did is kept for an audit that looks back a year, and then deleted with the rights of the tables' owner: no
-- process may delete activity itself. Records that a person was forgotten are never deleted.
CREATE FUNCTION forget_old_activity(days INTEGER) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF days < 400 THEN
        RAISE EXCEPTION 'activity is kept for 400 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM activity
    WHERE happened_at < now() - make_interval(days => days) AND action <> 'forget';
    DELETE FROM operations
    WHERE
        state NOT IN ('running', 'stopping')
        AND coalesce(finished_at, heartbeat_at) < now() - make_interval(days => days);
END
$$;

REVOKE ALL ON FUNCTION forget_old_activity(INTEGER) FROM PUBLIC;

COMMENT ON FUNCTION forget_old_activity(INTEGER) IS 'Deletes activity older than so many days, 400 at least, and bulk operations that ended before; not that somebody was forgotten.';
