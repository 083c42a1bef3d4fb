-- Objects of which thin events told: one row each, whether or not Stripe has answered yet.

CREATE TABLE notices (
    object_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    told_at TIMESTAMPTZ NOT NULL,
    ends BOOLEAN NOT NULL,
    noticed_at TIMESTAMPTZ NOT NULL,
    waits_since TIMESTAMPTZ,
    answered_at TIMESTAMPTZ,
    raw_body BYTEA NOT NULL,
    CONSTRAINT notices_pkey PRIMARY KEY (object_id),
    CONSTRAINT notices_kind_check CHECK (kind IN ('customer', 'subscription'))
) WITH (fillfactor = 80);

CREATE INDEX idx_notices_waits_since ON notices (waits_since) WHERE waits_since IS NOT NULL;

COMMENT ON TABLE notices IS 'Objects of which thin events told, and since when Stripe has to be asked for them. Written with the ledger.';
COMMENT ON COLUMN notices.object_id IS 'Stripe''s id of the object, cus_… or sub_….';
COMMENT ON COLUMN notices.kind IS 'customer or subscription.';
COMMENT ON COLUMN notices.told_at IS 'When the newest of its thin events happened, in Stripe''s whole seconds.';
COMMENT ON COLUMN notices.ends IS 'Whether one of them, or an answer, said that the object has ended.';
COMMENT ON COLUMN notices.noticed_at IS 'When the last of them was taken from its mailbox.';
COMMENT ON COLUMN notices.waits_since IS 'Since when Stripe has to be asked. NULL: it has answered.';
COMMENT ON COLUMN notices.answered_at IS 'When Stripe last answered, by its own clock. NULL: never.';
COMMENT ON COLUMN notices.raw_body IS 'The exact bytes of the newest thin event; a dead letter is made of them when nobody answers.';
COMMENT ON COLUMN webhook_events.reason IS 'Why: how the order judged the event, asked for a thin one that an answer of Stripe''s stands for, or the reason of the dead letter.';
