-- How far a backfill has come: which slices of time are left to list, and what became of the objects so far.

CREATE TABLE backfill_progress (
    id BOOLEAN NOT NULL DEFAULT TRUE,
    begun_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    CONSTRAINT backfill_progress_pkey PRIMARY KEY (id),
    CONSTRAINT backfill_progress_id_check CHECK (id)
);

INSERT INTO backfill_progress DEFAULT VALUES;

CREATE TABLE backfill_slices (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind VARCHAR NOT NULL,
    since_at TIMESTAMPTZ NOT NULL,
    before_at TIMESTAMPTZ NOT NULL,
    seconds BIGINT NOT NULL,
    CONSTRAINT backfill_slices_pkey PRIMARY KEY (id),
    CONSTRAINT backfill_slices_kind_check CHECK (kind IN ('customer', 'subscription'))
);

CREATE TABLE backfill_totals (
    kind VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    objects BIGINT NOT NULL,
    CONSTRAINT backfill_totals_pkey PRIMARY KEY (kind, outcome)
);

COMMENT ON TABLE backfill_progress IS 'When the last backfill began and ended. One row.';
COMMENT ON COLUMN backfill_progress.id IS 'Always true: there is one row.';
COMMENT ON COLUMN backfill_progress.begun_at IS 'When it began; NULL before the first one.';
COMMENT ON COLUMN backfill_progress.finished_at IS 'When it had listed everything; NULL while something is left, also when nobody is at it.';

COMMENT ON TABLE backfill_slices IS 'Stretches of time whose objects the last backfill lists, each from its end backwards.';
COMMENT ON COLUMN backfill_slices.id IS 'Number of the slice; slices are begun in this order.';
COMMENT ON COLUMN backfill_slices.kind IS 'customer or subscription.';
COMMENT ON COLUMN backfill_slices.since_at IS 'Objects created from here on.';
COMMENT ON COLUMN backfill_slices.before_at IS 'Objects created before this are left to list; equal to since_at when none is.';
COMMENT ON COLUMN backfill_slices.seconds IS 'How long it was at first.';

COMMENT ON TABLE backfill_totals IS 'What became of the objects that the last backfill has listed so far.';
COMMENT ON COLUMN backfill_totals.kind IS 'customer or subscription.';
COMMENT ON COLUMN backfill_totals.outcome IS 'As in webhook_events; mailed: left to the mailboxes.';
COMMENT ON COLUMN backfill_totals.objects IS 'How many.';

COMMENT ON COLUMN webhook_events.source IS 'How it came: webhook, retry, sweep, fetch, backfill, verify or send.';
