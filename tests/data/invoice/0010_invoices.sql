-- Stripe's invoices.

CREATE TABLE invoices (
    invoice_id UUID NOT NULL DEFAULT gen_random_uuid(),
    stripe_invoice_id VARCHAR NOT NULL,
    user_id UUID NOT NULL,
    number VARCHAR,
    status VARCHAR NOT NULL,
    currency VARCHAR,
    amount_due BIGINT,
    amount_paid BIGINT,
    due_at TIMESTAMPTZ,
    metadata JSONB NOT NULL DEFAULT '{}',
    stripe_created_at TIMESTAMPTZ,
    stripe_updated_at TIMESTAMPTZ,
    synced_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    last_webhook_event_id VARCHAR,
    evidence BYTEA,
    unsure BOOLEAN NOT NULL DEFAULT FALSE,
    CONSTRAINT invoices_pkey PRIMARY KEY (invoice_id),
    CONSTRAINT idx_invoices_stripe_invoice_id UNIQUE (stripe_invoice_id),
    CONSTRAINT invoices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (user_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX idx_invoices_user_id ON invoices (user_id);
CREATE INDEX idx_invoices_unsure ON invoices (unsure) WHERE unsure;
CREATE INDEX idx_invoices_metadata_gin ON invoices USING gin (metadata);

COMMENT ON TABLE invoices IS 'Stripe''s invoices, one row each; those that were paid, voided or deleted stay.';
COMMENT ON COLUMN invoices.invoice_id IS 'Our own id of the invoice; never changes.';
COMMENT ON COLUMN invoices.stripe_invoice_id IS 'Stripe''s id of the invoice, in_…';
COMMENT ON COLUMN invoices.user_id IS 'Whose invoice it is.';
COMMENT ON COLUMN invoices.number IS 'Number that the customer sees; none while it is a draft.';
COMMENT ON COLUMN invoices.status IS 'Status as Stripe writes it: draft, open, paid, uncollectible or void.';
COMMENT ON COLUMN invoices.currency IS 'Currency, in lower case.';
COMMENT ON COLUMN invoices.amount_due IS 'What is due, in the smallest unit of the currency.';
COMMENT ON COLUMN invoices.amount_paid IS 'What was paid of it.';
COMMENT ON COLUMN invoices.due_at IS 'When it is due; invoices that are charged automatically have no such date.';
COMMENT ON COLUMN invoices.metadata IS 'Invoice metadata from Stripe, whole.';
COMMENT ON COLUMN invoices.stripe_created_at IS 'When the invoice was created in Stripe.';
COMMENT ON COLUMN invoices.stripe_updated_at IS 'When the event happened in Stripe whose snapshot this row shows.';
COMMENT ON COLUMN invoices.synced_at IS 'When an event last wrote this row.';
COMMENT ON COLUMN invoices.last_webhook_event_id IS 'The event whose snapshot this row shows, evt_…';
COMMENT ON COLUMN invoices.evidence IS 'What is known of the order of this row''s latest events.';
COMMENT ON COLUMN invoices.unsure IS 'True when the events cannot tell which of them is last, and Stripe has to be asked.';
