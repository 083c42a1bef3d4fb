-- Which rows changed, for programs that act on it: recorded in a table and announced to listeners (docs/reacting.md).
-- This costs nothing until triggers are made, which CHANGES=on does (cogento/store/change_triggers.py).

CREATE TABLE changes (
    change_id BIGINT GENERATED ALWAYS AS IDENTITY,
    changed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    kind VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    user_id UUID NOT NULL,
    user_id_before UUID,
    customer_id VARCHAR,
    row_id UUID,
    object_id VARCHAR,
    role VARCHAR,
    columns VARCHAR [] NOT NULL DEFAULT '{}',
    status_before VARCHAR,
    status_after VARCHAR,
    event_id VARCHAR,
    CONSTRAINT changes_pkey PRIMARY KEY (change_id),
    CONSTRAINT changes_action_check CHECK (action IN ('insert', 'update', 'delete'))
);

-- One row, which tells readers whether any change after the last one that they read is missing.
CREATE TABLE change_feed (
    id BOOLEAN NOT NULL DEFAULT TRUE,
    is_on BOOLEAN NOT NULL DEFAULT FALSE,
    switched_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    complete_after BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT change_feed_pkey PRIMARY KEY (id),
    CONSTRAINT change_feed_id_check CHECK (id)
);

INSERT INTO change_feed DEFAULT VALUES;

COMMENT ON TABLE changes IS 'Which rows of the tables for people changed, in the order in which that was committed; names and ids only. Read it by changes_after.';
COMMENT ON COLUMN changes.change_id IS 'Grows in the order of commits: whoever has seen one has seen, or could have, all below. A reader''s position.';
COMMENT ON COLUMN changes.changed_at IS 'When it was about to be committed.';
COMMENT ON COLUMN changes.kind IS 'customer, subscription (or another kind of object), or role.';
COMMENT ON COLUMN changes.action IS 'insert, update or delete, of that row.';
COMMENT ON COLUMN changes.user_id IS 'Our id of the user whose row it is.';
COMMENT ON COLUMN changes.user_id_before IS 'Whose it was before, where it went to another user.';
COMMENT ON COLUMN changes.customer_id IS 'That user''s customer in Stripe, cus_…';
COMMENT ON COLUMN changes.row_id IS 'Our id of the object, subscription_id of a subscription; NULL for customers and roles.';
COMMENT ON COLUMN changes.object_id IS 'Stripe''s id of the object, cus_… or sub_…; NULL for roles.';
COMMENT ON COLUMN changes.role IS 'Which role, of kind role: insert grants it, delete revokes it.';
COMMENT ON COLUMN changes.columns IS 'Names of the columns that differ, of an update.';
COMMENT ON COLUMN changes.status_before IS 'Status before, of an object that has one.';
COMMENT ON COLUMN changes.status_after IS 'Status since, of an object that has one.';
COMMENT ON COLUMN changes.event_id IS 'The row''s own event that it came to show by this, evt_…; NULL where the cause is another row''s event, or a person.';

COMMENT ON TABLE change_feed IS 'Whether changes are kept, and from where on without a gap; one row.';
COMMENT ON COLUMN change_feed.id IS 'Always true: there is one row.';
COMMENT ON COLUMN change_feed.is_on IS 'Whether changes are kept and announced.';
COMMENT ON COLUMN change_feed.switched_at IS 'When that was last switched.';
COMMENT ON COLUMN change_feed.complete_after IS 'Every change after this one is there. Before it some were trimmed, or not kept.';

-- The channel of the announcements: cogento_changes, or billing_changes where the tables are in the schema billing.
CREATE FUNCTION changes_channel() RETURNS VARCHAR
LANGUAGE SQL STABLE SET search_path FROM CURRENT AS $$
    SELECT regexp_replace(current_schema(), '_internal$', '_changes')
$$;

-- Called once for each change, when its transaction is about to commit (the triggers are deferred).
--
-- From here to its end one transaction runs at a time: so numbers are given in the order of commits, and for a reader who has seen
-- a number none below it is committed later. NOTIFY itself takes such a lock a moment later, so this costs no concurrency that
-- is not lost anyway. The holder of this lock waits for no row.
--
-- An announcement that could fail is left out or shortened: a listener that does not read must not stop the workers, and
-- readers poll the table as well.
CREATE FUNCTION announce_change(change changes) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    payload TEXT;
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtext(concat_ws('.', 'cogento.changes', nullif(current_schema(), 'cogento_internal')))
    );
    INSERT INTO changes (
        kind, action, user_id, user_id_before, customer_id, row_id, object_id, role, columns, status_before,
        status_after, event_id
    )
    VALUES (
        change.kind, change.action, change.user_id, change.user_id_before, change.customer_id, change.row_id,
        change.object_id, change.role, coalesce(change.columns, '{}'), change.status_before, change.status_after,
        change.event_id
    )
    RETURNING * INTO change;
    IF pg_notification_queue_usage() < 0.5 THEN
        payload := json_strip_nulls(row_to_json(change))::TEXT;
        IF octet_length(payload) >= 8000 THEN
            payload := json_build_object(
                'change_id', change.change_id, 'kind', change.kind, 'action', change.action, 'user_id', change.user_id
            )::TEXT;
        END IF;
        PERFORM pg_notify(changes_channel(), payload);
    END IF;
END
$$;

CREATE FUNCTION newest_change() RETURNS BIGINT
LANGUAGE SQL STABLE SET search_path FROM CURRENT AS $$
    SELECT greatest(complete_after, (SELECT max(change_id) FROM changes)) FROM change_feed
$$;

CREATE FUNCTION changes_after(seen BIGINT, most INTEGER DEFAULT 1000) RETURNS SETOF changes
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    feed change_feed;
BEGIN
    SELECT * INTO feed FROM change_feed;
    IF NOT feed.is_on THEN
        RAISE EXCEPTION 'changes are not kept in this database'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Switch them on: CHANGES=on cogento migrate.';
    END IF;
    IF seen IS NULL OR seen < feed.complete_after THEN
        RAISE EXCEPTION 'changes after % are not all there: they are complete after %', seen, feed.complete_after
            USING ERRCODE = 'invalid_cursor_state', HINT = 'Take newest_change(), read the tables as a whole, and go on after it.';
    END IF;
    IF seen > newest_change() THEN
        RAISE EXCEPTION 'there is no change % yet: the newest is %', seen, newest_change()
            USING ERRCODE = 'invalid_cursor_state',
            HINT = 'The database is an older one than was read before, or a replica. Take newest_change(), read the tables as a whole, and go on after it.';
    END IF;
    RETURN QUERY SELECT * FROM changes WHERE change_id > seen ORDER BY change_id LIMIT most;
END
$$;

-- Deletes the oldest, so many at most, with the rights of the tables' owner: no process may delete a change itself.
CREATE FUNCTION trim_changes(days INTEGER, most INTEGER) RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    trimmed BIGINT;
    newest BIGINT;
BEGIN
    IF days < 1 THEN
        RAISE EXCEPTION 'changes are kept for a day at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH gone AS (
        DELETE FROM changes
        WHERE change_id IN (
            SELECT oldest.change_id
            FROM (SELECT change_id, changed_at FROM changes ORDER BY change_id LIMIT most) AS oldest
            WHERE oldest.changed_at < now() - make_interval(days => days)
        )
        RETURNING change_id
    )
    SELECT count(*), max(change_id) INTO trimmed, newest FROM gone;
    IF trimmed > 0 THEN
        UPDATE change_feed SET complete_after = greatest(complete_after, newest);
    END IF;
    RETURN trimmed;
END
$$;

REVOKE ALL ON FUNCTION announce_change(changes), trim_changes(INTEGER, INTEGER) FROM PUBLIC;

COMMENT ON FUNCTION changes_channel() IS 'Names the channel to LISTEN on.';
COMMENT ON FUNCTION announce_change(changes) IS 'Keeps and announces a change; called by triggers as their transaction commits.';
COMMENT ON FUNCTION newest_change() IS 'The newest change_id: where a reader begins who reads the tables as a whole.';
COMMENT ON FUNCTION changes_after(BIGINT, INTEGER) IS 'Reads the changes after one, in the order of commits; raises 24000 where some of them are gone, 55000 where none are kept.';
COMMENT ON FUNCTION trim_changes(INTEGER, INTEGER) IS 'Deletes changes older than so many days, one at least, so many at most; returns how many.';
