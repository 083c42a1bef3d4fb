-- Rules that must be the same for every process that writes rows: the canonical form of an address, and the statuses
-- that make a member.

ALTER TABLE users ADD COLUMN claimed_email VARCHAR;

COMMENT ON COLUMN users.claimed_email IS 'The address in Stripe without white space around it, in Unicode normal form C and lower case: equal for all who share it. NULL: none, or a release without this column wrote the row last.';
COMMENT ON COLUMN users.email IS 'The address to sign in with: claimed_email, if this is the oldest live customer that has it, else <stripe_customer_id>@placeholder.invalid.';
COMMENT ON COLUMN subscriptions.unsure IS 'True when the events cannot tell which of them is last, or when it has not ended though its customer is deleted; Stripe has to be asked.';

CREATE TABLE member_statuses (
    id BOOLEAN NOT NULL DEFAULT TRUE,
    statuses VARCHAR[] NOT NULL,
    decided_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT member_statuses_pkey PRIMARY KEY (id),
    CONSTRAINT member_statuses_id_check CHECK (id)
);

COMMENT ON TABLE member_statuses IS 'Which statuses of a subscription make its user a member, in one row: what the worker that started last was given as MEMBER_STATUSES.';
COMMENT ON COLUMN member_statuses.id IS 'Always true: there is one row.';
COMMENT ON COLUMN member_statuses.statuses IS 'The statuses, sorted; none of them: roles are left alone.';
COMMENT ON COLUMN member_statuses.decided_at IS 'When they last became others.';
