-- The owner's three tables, the ledger, the dead letters and the write probe. PostgreSQL 14 and newer.
--
-- A unique constraint carries the name of the owner's index, because it makes that very index: no column
-- is indexed twice. Each webhook rewrites evidence, synced_at and last_webhook_event_id, seldom an indexed
-- column: the fill factor leaves room in the page, so that most updates stay there (HOT) and touch no index.

CREATE TABLE users (
    user_id UUID NOT NULL DEFAULT gen_random_uuid(),
    email VARCHAR NOT NULL,
    stripe_customer_id VARCHAR NOT NULL,
    name VARCHAR,
    phone VARCHAR,
    address JSONB,
    metadata JSONB NOT NULL DEFAULT '{}',
    stripe_created_at TIMESTAMPTZ,
    stripe_updated_at TIMESTAMPTZ,
    synced_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    last_webhook_event_id VARCHAR,
    stripe_email VARCHAR,
    deleted_at TIMESTAMPTZ,
    evidence BYTEA,
    unsure BOOLEAN NOT NULL DEFAULT FALSE,
    CONSTRAINT users_pkey PRIMARY KEY (user_id),
    CONSTRAINT idx_users_email UNIQUE (email),
    CONSTRAINT idx_users_stripe_customer_id UNIQUE (stripe_customer_id),
    CONSTRAINT users_email_check CHECK (email <> '')
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX idx_users_metadata_gin ON users USING gin (metadata);
CREATE INDEX idx_users_stripe_email ON users (stripe_email);
CREATE INDEX idx_users_unsure ON users (unsure) WHERE unsure;

CREATE TABLE subscriptions (
    subscription_id UUID NOT NULL DEFAULT gen_random_uuid(),
    stripe_subscription_id VARCHAR NOT NULL,
    user_id UUID NOT NULL,
    product_id VARCHAR,
    status VARCHAR NOT NULL,
    current_period_start TIMESTAMPTZ,
    current_period_end TIMESTAMPTZ,
    metadata JSONB NOT NULL DEFAULT '{}',
    synced_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    stripe_created_at TIMESTAMPTZ,
    stripe_updated_at TIMESTAMPTZ,
    last_webhook_event_id VARCHAR,
    evidence BYTEA,
    unsure BOOLEAN NOT NULL DEFAULT FALSE,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (subscription_id),
    CONSTRAINT idx_subscriptions_stripe_subscription_id UNIQUE (stripe_subscription_id),
    CONSTRAINT subscriptions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (user_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX idx_subscriptions_user_id ON subscriptions (user_id);
CREATE INDEX idx_subscriptions_status ON subscriptions (status);
CREATE INDEX idx_subscriptions_metadata_gin ON subscriptions USING gin (metadata);
CREATE INDEX idx_subscriptions_unsure ON subscriptions (unsure) WHERE unsure;

CREATE TABLE user_roles (
    user_id UUID NOT NULL,
    role VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    granted_by VARCHAR NOT NULL DEFAULT 'hand',
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role),
    CONSTRAINT user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (user_id),
    CONSTRAINT user_roles_role_check CHECK (role IN ('superuser', 'admin', 'user', 'member')),
    CONSTRAINT user_roles_granted_by_check CHECK (granted_by IN ('hand', 'subscription'))
);

CREATE INDEX idx_user_roles_user_id ON user_roles (user_id);
CREATE INDEX idx_user_roles_role ON user_roles (role);

-- Partitioned by the event's own second, which never changes: an id can only lie in one partition, so that
-- the primary key makes "once" with a probe of one small index. Days are made ahead and dropped when old
-- (cogento/store/partitions.py); an event of any other day goes to the default partition.
CREATE TABLE webhook_events (
    event_id VARCHAR NOT NULL,
    event_created_at TIMESTAMPTZ NOT NULL,
    event_type VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    object_id VARCHAR NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    settled_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    outcome VARCHAR NOT NULL,
    reason VARCHAR,
    superseded_by VARCHAR,
    attempts INTEGER NOT NULL DEFAULT 0,
    source VARCHAR NOT NULL,
    CONSTRAINT webhook_events_pkey PRIMARY KEY (event_id, event_created_at),
    CONSTRAINT webhook_events_outcome_check
    CHECK (outcome IN ('applied', 'unchanged', 'duplicate', 'stale', 'superseded', 'dead'))
) PARTITION BY RANGE (event_created_at);

CREATE INDEX idx_webhook_events_customer_id ON webhook_events (customer_id, event_created_at);
-- Rows lie in the order in which they were settled, so a summary of each page range finds the last minute's.
CREATE INDEX idx_webhook_events_settled_at ON webhook_events USING brin (settled_at)
WITH (pages_per_range = 16, autosummarize = ON);

-- Totals that cost a batch nothing to keep and nobody anything to read. Each database session adds to one of
-- the rows, chosen by its process id, so that concurrent batches seldom wait for each other.
CREATE TABLE outcome_totals (
    slot SMALLINT NOT NULL,
    applied BIGINT NOT NULL DEFAULT 0,
    unchanged BIGINT NOT NULL DEFAULT 0,
    duplicate BIGINT NOT NULL DEFAULT 0,
    stale BIGINT NOT NULL DEFAULT 0,
    superseded BIGINT NOT NULL DEFAULT 0,
    dead BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT outcome_totals_pkey PRIMARY KEY (slot)
) WITH (fillfactor = 50);

CREATE TABLE dead_letters (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    event_id VARCHAR NOT NULL,
    event_type VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    object_id VARCHAR NOT NULL,
    livemode BOOLEAN,
    api_version VARCHAR,
    event_created_at TIMESTAMPTZ NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    first_attempt_at TIMESTAMPTZ,
    died_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    attempts INTEGER NOT NULL DEFAULT 0,
    starts INTEGER NOT NULL DEFAULT 0,
    reason VARCHAR NOT NULL,
    failure_class VARCHAR NOT NULL,
    failure_code VARCHAR,
    constraint_name VARCHAR,
    message VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    worker_version VARCHAR,
    source VARCHAR NOT NULL,
    raw_body BYTEA,
    raw_sha256 BYTEA NOT NULL,
    sig_header VARCHAR,
    trace_id VARCHAR,
    status VARCHAR NOT NULL DEFAULT 'open',
    resolution VARCHAR,
    resolved_by VARCHAR,
    resolved_at TIMESTAMPTZ,
    replays INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (id),
    CONSTRAINT dead_letters_status_check CHECK (status IN ('open', 'retrying', 'resolved', 'discarded')),
    CONSTRAINT dead_letters_resolved_check
    CHECK ((status IN ('resolved', 'discarded')) = (resolved_at IS NOT NULL))
);

CREATE UNIQUE INDEX idx_dead_letters_unresolved_event_id ON dead_letters (event_id)
WHERE status IN ('open', 'retrying');
CREATE INDEX idx_dead_letters_event_id ON dead_letters (event_id);
CREATE INDEX idx_dead_letters_customer_id ON dead_letters (customer_id);
CREATE INDEX idx_dead_letters_object_id ON dead_letters (object_id);
CREATE INDEX idx_dead_letters_unresolved_died_at ON dead_letters (died_at)
WHERE status IN ('open', 'retrying');

CREATE TABLE write_probe (
    id BOOLEAN NOT NULL DEFAULT TRUE,
    written_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT write_probe_pkey PRIMARY KEY (id),
    CONSTRAINT write_probe_id_check CHECK (id)
);

COMMENT ON TABLE users IS 'Stripe''s customers, one row each; the row stays when the customer is deleted.';
COMMENT ON COLUMN users.user_id IS 'Our own id of the user; never changes.';
COMMENT ON COLUMN users.email IS 'The address to sign in with: Stripe''s, if this is the oldest live customer that has it, else <stripe_customer_id>@placeholder.invalid.';
COMMENT ON COLUMN users.stripe_customer_id IS 'Stripe''s id of the customer, cus_…';
COMMENT ON COLUMN users.name IS 'Name in Stripe; erased on deletion.';
COMMENT ON COLUMN users.phone IS 'Phone number in Stripe; erased on deletion.';
COMMENT ON COLUMN users.address IS 'Billing address as Stripe has it; erased on deletion.';
COMMENT ON COLUMN users.metadata IS 'Customer metadata from Stripe, whole. Ask with metadata @> ''{"key": "value"}'': metadata->>''key'' cannot use the index.';
COMMENT ON COLUMN users.stripe_created_at IS 'When the customer was created in Stripe.';
COMMENT ON COLUMN users.stripe_updated_at IS 'When the event happened in Stripe whose snapshot this row shows.';
COMMENT ON COLUMN users.synced_at IS 'When an event last wrote this row.';
COMMENT ON COLUMN users.last_webhook_event_id IS 'The event whose snapshot this row shows, evt_…';
COMMENT ON COLUMN users.stripe_email IS 'The address exactly as Stripe has it: may be missing, may be shared; erased on deletion.';
COMMENT ON COLUMN users.deleted_at IS 'When the customer was deleted in Stripe; NULL while it lives.';
COMMENT ON COLUMN users.evidence IS 'What is known of the order of this row''s latest events (cogento/ordering/order.py writes and reads it).';
COMMENT ON COLUMN users.unsure IS 'True when the events cannot tell which of them is last, and Stripe has to be asked.';

COMMENT ON TABLE subscriptions IS 'Stripe''s subscriptions, one row each; ended ones stay.';
COMMENT ON COLUMN subscriptions.subscription_id IS 'Our own id of the subscription; never changes.';
COMMENT ON COLUMN subscriptions.stripe_subscription_id IS 'Stripe''s id of the subscription, sub_…';
COMMENT ON COLUMN subscriptions.user_id IS 'Whose subscription it is; follows Stripe when its customer changes.';
COMMENT ON COLUMN subscriptions.product_id IS 'Stripe''s id of the first item''s product, prod_…';
COMMENT ON COLUMN subscriptions.status IS 'Status as Stripe writes it; an unknown one is kept as it comes.';
COMMENT ON COLUMN subscriptions.current_period_start IS 'Start of the current period; the earliest of several items.';
COMMENT ON COLUMN subscriptions.current_period_end IS 'End of the current period; the latest of several items.';
COMMENT ON COLUMN subscriptions.metadata IS 'Subscription metadata from Stripe, whole. Ask with metadata @> ''{"key": "value"}'': metadata->>''key'' cannot use the index.';
COMMENT ON COLUMN subscriptions.synced_at IS 'When an event last wrote this row.';
COMMENT ON COLUMN subscriptions.stripe_created_at IS 'When the subscription was created in Stripe.';
COMMENT ON COLUMN subscriptions.stripe_updated_at IS 'When the event happened in Stripe whose snapshot this row shows.';
COMMENT ON COLUMN subscriptions.last_webhook_event_id IS 'The event whose snapshot this row shows, evt_…';
COMMENT ON COLUMN subscriptions.evidence IS 'What is known of the order of this row''s latest events (cogento/ordering/order.py writes and reads it).';
COMMENT ON COLUMN subscriptions.unsure IS 'True when the events cannot tell which of them is last, and Stripe has to be asked.';

COMMENT ON TABLE user_roles IS 'What a user may do; several roles a user. A deleted customer has none.';
COMMENT ON COLUMN user_roles.user_id IS 'Whose role it is.';
COMMENT ON COLUMN user_roles.role IS 'superuser, admin, user or member.';
COMMENT ON COLUMN user_roles.created_at IS 'When the role was granted.';
COMMENT ON COLUMN user_roles.granted_by IS 'hand: by a person, never touched by us; subscription: follows from the user''s subscriptions (MEMBER_STATUSES).';

COMMENT ON TABLE webhook_events IS 'The ledger: what became of each event, written in the transaction of the rows it changed. No payload, no personal data.';
COMMENT ON COLUMN webhook_events.event_id IS 'Stripe''s id of the event, evt_…';
COMMENT ON COLUMN webhook_events.event_created_at IS 'When the event happened, in Stripe''s whole seconds; names the partition (days of UTC).';
COMMENT ON COLUMN webhook_events.event_type IS 'Type of the event, customer.updated for example.';
COMMENT ON COLUMN webhook_events.customer_id IS 'The customer whose mailbox the event came through.';
COMMENT ON COLUMN webhook_events.object_id IS 'The customer or subscription that the event is about.';
COMMENT ON COLUMN webhook_events.received_at IS 'When it was put in the mailbox.';
COMMENT ON COLUMN webhook_events.settled_at IS 'When its outcome became final.';
COMMENT ON COLUMN webhook_events.outcome IS 'applied, unchanged, duplicate, stale, superseded or dead.';
COMMENT ON COLUMN webhook_events.reason IS 'Why: how the order judged the event, or the reason of the dead letter.';
COMMENT ON COLUMN webhook_events.superseded_by IS 'The event of the same batch that was written instead.';
COMMENT ON COLUMN webhook_events.attempts IS 'How many attempts failed before.';
COMMENT ON COLUMN webhook_events.source IS 'How it came: webhook, retry, sweep, verify or send.';

COMMENT ON TABLE outcome_totals IS 'How many events ever ended how; the sum over all rows counts, longer than the ledger lasts.';
COMMENT ON COLUMN outcome_totals.slot IS 'Process id of the database session that adds here, modulo 16.';
COMMENT ON COLUMN outcome_totals.applied IS 'Events whose snapshot a row came to show.';
COMMENT ON COLUMN outcome_totals.unchanged IS 'Events that came last and showed what the row showed.';
COMMENT ON COLUMN outcome_totals.duplicate IS 'Events that the ledger had forgotten and the row remembered.';
COMMENT ON COLUMN outcome_totals.stale IS 'Events that came after a later one.';
COMMENT ON COLUMN outcome_totals.superseded IS 'Events of a batch that held a later one.';
COMMENT ON COLUMN outcome_totals.dead IS 'Deaths; an event that is retried may die again.';

COMMENT ON TABLE dead_letters IS 'Events that could not be applied, with their exact bytes, until somebody or time has dealt with them.';
COMMENT ON COLUMN dead_letters.id IS 'Number of the letter.';
COMMENT ON COLUMN dead_letters.event_id IS 'Stripe''s id of the event; one unresolved letter each.';
COMMENT ON COLUMN dead_letters.event_type IS 'Type of the event.';
COMMENT ON COLUMN dead_letters.customer_id IS 'The customer whose mailbox it came through.';
COMMENT ON COLUMN dead_letters.object_id IS 'The Stripe object that it is about.';
COMMENT ON COLUMN dead_letters.livemode IS 'Whether it is real or of test mode, as the event says.';
COMMENT ON COLUMN dead_letters.api_version IS 'Stripe API version that rendered it.';
COMMENT ON COLUMN dead_letters.event_created_at IS 'When the event happened, in Stripe''s whole seconds.';
COMMENT ON COLUMN dead_letters.received_at IS 'When it was put in the mailbox.';
COMMENT ON COLUMN dead_letters.first_attempt_at IS 'When it was first tried.';
COMMENT ON COLUMN dead_letters.died_at IS 'When it was (last) given up.';
COMMENT ON COLUMN dead_letters.attempts IS 'How many attempts failed.';
COMMENT ON COLUMN dead_letters.starts IS 'How many attempts were begun and never ended: the process died.';
COMMENT ON COLUMN dead_letters.reason IS 'Why, from the catalogue in cogento/events/letters.py.';
COMMENT ON COLUMN dead_letters.failure_class IS 'Class of the last failure (cogento/retries.py).';
COMMENT ON COLUMN dead_letters.failure_code IS 'SQLSTATE or type of the last failure.';
COMMENT ON COLUMN dead_letters.constraint_name IS 'The constraint that was violated, if one was.';
COMMENT ON COLUMN dead_letters.message IS 'One sentence for people, from the catalogue; holds nothing of the payload.';
COMMENT ON COLUMN dead_letters.fingerprint IS 'Equal for letters that died of the same cause.';
COMMENT ON COLUMN dead_letters.worker_version IS 'Version of the program that gave it up.';
COMMENT ON COLUMN dead_letters.source IS 'How it came: webhook, retry, sweep, verify or send.';
COMMENT ON COLUMN dead_letters.raw_body IS 'The exact bytes that Stripe signed; erased 30 days after the letter is resolved.';
COMMENT ON COLUMN dead_letters.raw_sha256 IS 'SHA-256 of the bytes; stays.';
COMMENT ON COLUMN dead_letters.sig_header IS 'Stripe-Signature header, where it was kept.';
COMMENT ON COLUMN dead_letters.trace_id IS 'Trace of the last attempt, where one was made.';
COMMENT ON COLUMN dead_letters.status IS 'open, retrying (back in the mailbox), resolved or discarded.';
COMMENT ON COLUMN dead_letters.resolution IS 'How it ended: the outcome of its retry, or the reason it was discarded for.';
COMMENT ON COLUMN dead_letters.resolved_by IS 'Who ended it.';
COMMENT ON COLUMN dead_letters.resolved_at IS 'When it ended.';
COMMENT ON COLUMN dead_letters.replays IS 'How often it was put back in the mailbox.';

COMMENT ON TABLE write_probe IS 'One row that is written to find out whether Postgres takes writes.';
COMMENT ON COLUMN write_probe.id IS 'Always true: there is one row.';
COMMENT ON COLUMN write_probe.written_at IS 'When Postgres last took it.';

-- Made last, so that it takes the comments along.
CREATE TABLE webhook_events_default (LIKE webhook_events INCLUDING ALL);
ALTER TABLE webhook_events ATTACH PARTITION webhook_events_default DEFAULT;
