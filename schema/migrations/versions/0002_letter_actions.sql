ALTER TABLE dead_letters ADD COLUMN retrying_since TIMESTAMPTZ;

CREATE TABLE dead_letter_actions (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    letter_id BIGINT NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    action VARCHAR NOT NULL,
    who VARCHAR NOT NULL,
    why VARCHAR,
    CONSTRAINT dead_letter_actions_pkey PRIMARY KEY (id),
    CONSTRAINT dead_letter_actions_letter_id_fkey
    FOREIGN KEY (letter_id) REFERENCES dead_letters (id) ON DELETE CASCADE,
    CONSTRAINT dead_letter_actions_action_check CHECK (action IN ('retry', 'reopen', 'discard'))
);

CREATE INDEX idx_dead_letter_actions_letter_id ON dead_letter_actions (letter_id);

COMMENT ON COLUMN dead_letters.retrying_since IS 'When it was last taken for a retry.';
COMMENT ON COLUMN dead_letters.sig_header IS 'Empty: nothing writes or reads it any more.';
COMMENT ON COLUMN dead_letters.trace_id IS 'Empty: nothing writes or reads it any more.';

COMMENT ON TABLE dead_letter_actions IS 'What was done to dead letters: when, by whom, why.';
COMMENT ON COLUMN dead_letter_actions.id IS 'Number of the action.';
COMMENT ON COLUMN dead_letter_actions.letter_id IS 'The letter it was done to.';
COMMENT ON COLUMN dead_letter_actions.happened_at IS 'When it was done.';
COMMENT ON COLUMN dead_letter_actions.action IS 'retry (put back in its mailbox), reopen (a retry that did not come about) or discard.';
COMMENT ON COLUMN dead_letter_actions.who IS 'Who did it: a person''s name, console or worker.';
COMMENT ON COLUMN dead_letter_actions.why IS 'Why, in words; a discard always has it.';
