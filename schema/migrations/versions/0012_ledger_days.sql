-- Functions that make and drop the ledger's days with the rights of the tables' owner, so that roles which write rows need no
-- right to change tables. Each takes only a date. Their search path is that of the session that creates them, a migration's.

-- The default partition may hold events of the day, from a time when no days were made. It is locked first, so that no further
-- event comes between moving these and attaching the partition, which would then fail.
CREATE FUNCTION make_ledger_day(day DATE) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    name CONSTANT TEXT := format('webhook_events_%s', to_char(day, 'YYYYMMDD'));
    since CONSTANT TEXT := format('%s 00:00+00', day);
    before CONSTANT TEXT := format('%s 00:00+00', day + 1);
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtext(concat_ws('.', 'cogento.partitions', nullif(current_schema(), 'cogento_internal')))
    );
    IF to_regclass(name) IS NOT NULL THEN
        RETURN FALSE;
    END IF;
    IF abs(day - (now() AT TIME ZONE 'UTC')::DATE) > 31 THEN
        RAISE EXCEPTION 'days of the ledger are made a month ahead at most' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE webhook_events INCLUDING ALL)', name);
    LOCK TABLE webhook_events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format(
        'WITH moved AS (
            DELETE FROM webhook_events_default WHERE event_created_at >= %L AND event_created_at < %L RETURNING *
        )
        INSERT INTO %I SELECT * FROM moved', since, before, name
    );
    EXECUTE format(
        'ALTER TABLE webhook_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, since, before
    );
    RETURN TRUE;
END
$$;

CREATE FUNCTION drop_ledger_day(day DATE) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    name CONSTANT TEXT := format('webhook_events_%s', to_char(day, 'YYYYMMDD'));
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtext(concat_ws('.', 'cogento.partitions', nullif(current_schema(), 'cogento_internal')))
    );
    IF to_regclass(name) IS NULL THEN
        RETURN FALSE;
    END IF;
    IF day > (now() AT TIME ZONE 'UTC')::DATE - 35 THEN
        RAISE EXCEPTION 'the ledger keeps its events for 35 days' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('DROP TABLE %I', name);
    RETURN TRUE;
END
$$;

REVOKE ALL ON FUNCTION make_ledger_day(DATE), drop_ledger_day(DATE) FROM PUBLIC;

COMMENT ON FUNCTION make_ledger_day(DATE) IS 'Makes the ledger''s partition of a day (UTC), events of it that came before included; false when there is one.';
COMMENT ON FUNCTION drop_ledger_day(DATE) IS 'Drops the ledger''s partition of a day (UTC) that is past retention; false when there is none.';
