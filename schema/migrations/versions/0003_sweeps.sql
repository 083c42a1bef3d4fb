-- How far the missed-event sweep has come, and which events it has seen and not yet found in the ledger.

CREATE TABLE sweep_progress (
    id BOOLEAN NOT NULL DEFAULT TRUE,
    watermark_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    missing BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT sweep_progress_pkey PRIMARY KEY (id),
    CONSTRAINT sweep_progress_id_check CHECK (id)
);

INSERT INTO sweep_progress DEFAULT VALUES;

CREATE TABLE awaited_events (
    event_id VARCHAR NOT NULL,
    event_created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT awaited_events_pkey PRIMARY KEY (event_id)
);

COMMENT ON TABLE sweep_progress IS 'How far the missed-event sweep has come. One row.';
COMMENT ON COLUMN sweep_progress.id IS 'Always true: there is one row.';
COMMENT ON COLUMN sweep_progress.watermark_at IS 'Every event of ours up to here is in the ledger, with the dead letters, or in awaited_events; by Stripe''s clock. NULL before the first sweep.';
COMMENT ON COLUMN sweep_progress.finished_at IS 'When a sweep last came to its end.';
COMMENT ON COLUMN sweep_progress.missing IS 'Events that sweeps found missing, and put into mailboxes, since the beginning.';

COMMENT ON TABLE awaited_events IS 'Events that a sweep saw at Stripe and not yet in the ledger. Looked for by every later sweep, and put again when they have vanished from the mailboxes.';
COMMENT ON COLUMN awaited_events.event_id IS 'Stripe''s id of the event, evt_…';
COMMENT ON COLUMN awaited_events.event_created_at IS 'When the event happened, in Stripe''s whole seconds.';

COMMENT ON COLUMN users.last_webhook_event_id IS 'The event whose snapshot this row shows, evt_…; evt_fetched_… names an answer of Stripe''s to a question of ours.';
COMMENT ON COLUMN subscriptions.last_webhook_event_id IS 'The event whose snapshot this row shows, evt_…; evt_fetched_… names an answer of Stripe''s to a question of ours.';
COMMENT ON COLUMN webhook_events.source IS 'How it came: webhook, retry, sweep, fetch, verify or send.';
COMMENT ON COLUMN dead_letters.source IS 'How it came: webhook, retry, sweep, fetch, verify or send.';
