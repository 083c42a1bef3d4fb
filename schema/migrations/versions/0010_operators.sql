-- What operators do: one line for each thing that they change, and how far a bulk retry or discard has come.

-- Numbered by the sequence of dead_letter_actions, so that both can be paged as one list.
CREATE TABLE activity (
    id BIGINT NOT NULL DEFAULT nextval('dead_letter_actions_id_seq'),
    happened_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    who VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    about VARCHAR,
    why VARCHAR NOT NULL DEFAULT '',
    details JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT activity_pkey PRIMARY KEY (id)
);

CREATE INDEX idx_activity_about ON activity (about);

-- A role that may write to the table needs no further right for an identity column, but this one for a sequence as default.
GRANT USAGE ON SEQUENCE dead_letter_actions_id_seq TO PUBLIC;

CREATE TABLE operations (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind VARCHAR NOT NULL,
    filter JSONB NOT NULL,
    newest_letter BIGINT NOT NULL,
    total BIGINT NOT NULL,
    counts JSONB NOT NULL DEFAULT '{}',
    state VARCHAR NOT NULL DEFAULT 'running',
    who VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    rate INTEGER,
    runner VARCHAR NOT NULL,
    error VARCHAR,
    begun_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    heartbeat_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    finished_at TIMESTAMPTZ,
    CONSTRAINT operations_pkey PRIMARY KEY (id),
    CONSTRAINT operations_kind_check CHECK (kind IN ('retry', 'discard')),
    CONSTRAINT operations_state_check
    CHECK (state IN ('running', 'stopping', 'stopped', 'interrupted', 'done', 'failed'))
);

CREATE UNIQUE INDEX idx_operations_running ON operations ((TRUE)) WHERE state IN ('running', 'stopping');

ALTER TABLE dead_letter_actions ADD COLUMN operation_id BIGINT;
CREATE INDEX idx_dead_letter_actions_operation_id ON dead_letter_actions (operation_id, letter_id)
WHERE operation_id IS NOT NULL;
CREATE INDEX idx_dead_letter_actions_one_by_one ON dead_letter_actions (id)
WHERE operation_id IS NULL AND who <> 'worker';

ALTER TABLE users ADD COLUMN forgotten_at TIMESTAMPTZ;

COMMENT ON COLUMN users.forgotten_at IS 'When `cogento forget` erased the person: the row stays, so that no late event brings anything back. NULL: never.';

COMMENT ON COLUMN webhook_events.source IS 'How it came: webhook, retry, sweep, fetch, backfill, verify, send or forget.';

COMMENT ON TABLE activity IS 'What operators did: who, when, about what, why. Actions on single letters stand in dead_letter_actions. No personal data of customers.';
COMMENT ON COLUMN activity.id IS 'Number of the line, in one sequence with dead_letter_actions.';
COMMENT ON COLUMN activity.happened_at IS 'When it was done.';
COMMENT ON COLUMN activity.who IS 'Who did it.';
COMMENT ON COLUMN activity.action IS 'What was done (cogento/store/activity.py has the list).';
COMMENT ON COLUMN activity.about IS 'The customer, object or event that it was done to. NULL: to everything, or to what the details name.';
COMMENT ON COLUMN activity.why IS 'Why, in words; empty where nobody was asked.';
COMMENT ON COLUMN activity.details IS 'Ids, numbers and settings that belong to it.';

COMMENT ON TABLE operations IS 'Bulk retries and discards of dead letters, and how far each has come. At most one runs.';
COMMENT ON COLUMN operations.id IS 'Number of the operation.';
COMMENT ON COLUMN operations.kind IS 'retry or discard.';
COMMENT ON COLUMN operations.filter IS 'Which open letters it takes: what was asked for, by the names of LetterFilter.';
COMMENT ON COLUMN operations.newest_letter IS 'The newest letter there was when it was decided; later ones are not part of it.';
COMMENT ON COLUMN operations.total IS 'How many letters matched when it began.';
COMMENT ON COLUMN operations.counts IS 'What was done so far: letters by result.';
COMMENT ON COLUMN operations.state IS 'running, stopping, stopped, interrupted (its process died or lost its servers), done or failed.';
COMMENT ON COLUMN operations.who IS 'Who began it.';
COMMENT ON COLUMN operations.why IS 'Why, in words.';
COMMENT ON COLUMN operations.rate IS 'At most so many letters a second; NULL: as fast as it goes.';
COMMENT ON COLUMN operations.runner IS 'A token of the process that runs it; another one that continues it writes its own.';
COMMENT ON COLUMN operations.error IS 'What it failed of; NULL otherwise.';
COMMENT ON COLUMN operations.begun_at IS 'When it began.';
COMMENT ON COLUMN operations.heartbeat_at IS 'When its process last began or ended a batch. Long ago while running: that process is gone.';
COMMENT ON COLUMN operations.finished_at IS 'When it ended, was stopped or failed; NULL while it runs.';

COMMENT ON COLUMN dead_letter_actions.operation_id IS 'The operation that it was part of; NULL: done to this letter alone, or by a worker.';
COMMENT ON COLUMN dead_letter_actions.action IS 'retry (put back in its mailbox), reopen (a retry that did not come about, or a discard taken back) or discard.';
COMMENT ON COLUMN dead_letter_actions.who IS 'Who did it: a person''s name, or worker.';
