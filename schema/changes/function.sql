-- What announces a change of {table}; completed and run by cogento/store/change_triggers.py.
-- Runs with its owner's rights: roles that write rows, also for the release before this one, need none on the table of changes.
CREATE OR REPLACE FUNCTION announce_{table}() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    change changes;
BEGIN
    change.kind := '{kind}';
    change.action := lower(TG_OP);
    change.user_id := coalesce(NEW.user_id, OLD.user_id);
    change.user_id_before := nullif(OLD.user_id, change.user_id);
    change.customer_id := {customer_id};
    change.row_id := {row_id};
    change.object_id := {object_id};
    change.role := {role};
    change.status_before := {status_before};
    change.status_after := {status_after};
    change.event_id := {event_id};
    IF TG_OP = 'UPDATE' THEN
        change.columns := array_remove(ARRAY[
            {differing}
        ]::VARCHAR[], NULL);
    END IF;
    PERFORM announce_change(change);
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION announce_{table}() FROM PUBLIC;
