-- Witnesses in a test database: what every transaction did to the rows and to the ledger, and between which
-- moments it certainly held them. Written by triggers inside the audited transactions, so that what was
-- rolled back leaves no trace.
CREATE SCHEMA audit;

-- One row a transaction that wrote; `wrote_at` to `ended_at` lies inside the time for which it held its locks.
CREATE TABLE audit.transactions (
    xid XID8 NOT NULL PRIMARY KEY,
    backend INTEGER NOT NULL DEFAULT pg_backend_pid(),
    wrote_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    ended_at TIMESTAMPTZ
);

-- One row for each time that a row of users or subscriptions was written. `n` rises along each object's
-- history: it is drawn while the row is locked. `was_locked` tells whether the transaction had the row
-- locked before the statement that wrote it, and so decided on what nobody could change meanwhile.
CREATE TABLE audit.changes (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid XID8 NOT NULL,
    object_id VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    event_id VARCHAR,
    event_before VARCHAR,
    created BIGINT,
    has_ended BOOLEAN NOT NULL,
    was_locked BOOLEAN NOT NULL
);

-- One row for each time that the ledger was written.
CREATE TABLE audit.entries (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid XID8 NOT NULL,
    event_id VARCHAR NOT NULL,
    event_type VARCHAR NOT NULL,
    object_id VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    outcome_before VARCHAR
);

-- By what persons were ever known here, also to rows that changed or were erased later; the same one many times,
-- for a unique index would make transactions wait for each other.
CREATE TABLE audit.persons (known_by VARCHAR NOT NULL);

CREATE FUNCTION audit.note_transaction() RETURNS VOID LANGUAGE SQL AS $$
    INSERT INTO audit.transactions (xid) VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION audit.note_end() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
BEGIN
    UPDATE audit.transactions SET ended_at = clock_timestamp() WHERE xid = NEW.xid;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON audit.transactions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit.note_end();

-- Runs before the rows are touched: a lock taken by SELECT … FOR NO KEY UPDATE shows as xmax. (Somebody who
-- inserts a row that refers to this one at the same moment would hide it: no worker does.)
CREATE FUNCTION audit.note_locks() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
DECLARE
    locked VARCHAR;
BEGIN
    EXECUTE format(
        'SELECT string_agg(%I, '','') FROM %I WHERE $1 IN (xmax, xmin)', TG_ARGV[0], TG_TABLE_NAME
    ) INTO locked USING pg_current_xact_id()::XID;
    PERFORM set_config('audit.locked', coalesce(locked, ''), TRUE);
    RETURN NULL;
END
$$;

CREATE FUNCTION audit.all_of(VARIADIC said VARCHAR[]) RETURNS TABLE (known_by VARCHAR) LANGUAGE SQL AS $$
    SELECT one FROM unnest(said) AS one WHERE one <> ''
$$;

CREATE FUNCTION audit.locked() RETURNS SETOF VARCHAR LANGUAGE SQL AS $$
    SELECT unnest(string_to_array(current_setting('audit.locked'), ','))
$$;

CREATE FUNCTION audit.note_new_users() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
BEGIN
    PERFORM audit.note_transaction();
    INSERT INTO audit.changes (xid, object_id, customer_id, event_id, created, has_ended, was_locked)
    SELECT pg_current_xact_id(), stripe_customer_id, stripe_customer_id, last_webhook_event_id,
        extract(EPOCH FROM stripe_updated_at), deleted_at IS NOT NULL, TRUE
    FROM newer;
    INSERT INTO audit.persons SELECT known_by FROM newer AS n, audit.all_of(n.stripe_email, n.name, n.phone);
    RETURN NULL;
END
$$;

CREATE FUNCTION audit.note_users() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
BEGIN
    PERFORM audit.note_transaction();
    INSERT INTO audit.changes (
        xid, object_id, customer_id, event_id, event_before, created, has_ended, was_locked
    )
    SELECT pg_current_xact_id(), n.stripe_customer_id, n.stripe_customer_id, n.last_webhook_event_id,
        o.last_webhook_event_id, extract(EPOCH FROM n.stripe_updated_at), n.deleted_at IS NOT NULL,
        n.stripe_customer_id IN (SELECT audit.locked())
    FROM newer AS n INNER JOIN older AS o USING (user_id);
    INSERT INTO audit.persons
    SELECT known_by
    FROM newer AS n
    INNER JOIN older AS o USING (user_id)
    CROSS JOIN audit.all_of(n.stripe_email, n.name, n.phone)
    WHERE (n.stripe_email, n.name, n.phone) IS DISTINCT FROM (o.stripe_email, o.name, o.phone);
    RETURN NULL;
END
$$;

CREATE FUNCTION audit.note_new_subscriptions() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
BEGIN
    PERFORM audit.note_transaction();
    INSERT INTO audit.changes (xid, object_id, customer_id, event_id, created, has_ended, was_locked)
    SELECT pg_current_xact_id(), n.stripe_subscription_id, u.stripe_customer_id, n.last_webhook_event_id,
        extract(EPOCH FROM n.stripe_updated_at), n.status IN ('canceled', 'incomplete_expired'), TRUE
    FROM newer AS n INNER JOIN public.users AS u USING (user_id);
    RETURN NULL;
END
$$;

CREATE FUNCTION audit.note_subscriptions() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
BEGIN
    PERFORM audit.note_transaction();
    INSERT INTO audit.changes (
        xid, object_id, customer_id, event_id, event_before, created, has_ended, was_locked
    )
    SELECT pg_current_xact_id(), n.stripe_subscription_id, u.stripe_customer_id, n.last_webhook_event_id,
        o.last_webhook_event_id, extract(EPOCH FROM n.stripe_updated_at),
        n.status IN ('canceled', 'incomplete_expired'), n.stripe_subscription_id IN (SELECT audit.locked())
    FROM newer AS n
    INNER JOIN older AS o USING (subscription_id)
    INNER JOIN public.users AS u ON u.user_id = n.user_id;
    RETURN NULL;
END
$$;

CREATE FUNCTION audit.note_new_entries() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
BEGIN
    INSERT INTO audit.entries (xid, event_id, event_type, object_id, outcome)
    SELECT pg_current_xact_id(), event_id, event_type, object_id, outcome FROM newer;
    RETURN NULL;
END
$$;

CREATE FUNCTION audit.note_entries() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
BEGIN
    INSERT INTO audit.entries (xid, event_id, event_type, object_id, outcome, outcome_before)
    SELECT pg_current_xact_id(), n.event_id, n.event_type, n.object_id, n.outcome, o.outcome
    FROM newer AS n INNER JOIN older AS o USING (event_id);
    RETURN NULL;
END
$$;

-- In the order in which workers take them, all at once: no transaction is audited by halves.
LOCK TABLE users, subscriptions, webhook_events IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO audit.persons SELECT known_by FROM users AS u, audit.all_of(u.stripe_email, u.name, u.phone);

CREATE TRIGGER audit_locks BEFORE UPDATE ON users
EXECUTE FUNCTION audit.note_locks('stripe_customer_id');
CREATE TRIGGER audit_new AFTER INSERT ON users
REFERENCING NEW TABLE AS newer FOR EACH STATEMENT EXECUTE FUNCTION audit.note_new_users();
CREATE TRIGGER audit_changes AFTER UPDATE ON users
REFERENCING OLD TABLE AS older NEW TABLE AS newer FOR EACH STATEMENT EXECUTE FUNCTION audit.note_users();

CREATE TRIGGER audit_locks BEFORE UPDATE ON subscriptions
EXECUTE FUNCTION audit.note_locks('stripe_subscription_id');
CREATE TRIGGER audit_new AFTER INSERT ON subscriptions
REFERENCING NEW TABLE AS newer FOR EACH STATEMENT EXECUTE FUNCTION audit.note_new_subscriptions();
CREATE TRIGGER audit_changes AFTER UPDATE ON subscriptions
REFERENCING OLD TABLE AS older NEW TABLE AS newer FOR EACH STATEMENT EXECUTE FUNCTION audit.note_subscriptions();

CREATE TRIGGER audit_new AFTER INSERT ON webhook_events
REFERENCING NEW TABLE AS newer FOR EACH STATEMENT EXECUTE FUNCTION audit.note_new_entries();
CREATE TRIGGER audit_entries AFTER UPDATE ON webhook_events
REFERENCING OLD TABLE AS older NEW TABLE AS newer FOR EACH STATEMENT EXECUTE FUNCTION audit.note_entries();

-- Whoever writes rows is witnessed, workers' roles, too.
GRANT USAGE ON SCHEMA audit TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA audit TO PUBLIC;
