-- The application's own tables: who is signed in, and how far it has read the changes.
CREATE SCHEMA IF NOT EXISTS app;

CREATE TABLE IF NOT EXISTS app.sessions (
    session_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL,
    begun_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ended_at TIMESTAMPTZ
);

CREATE INDEX IF NOT EXISTS idx_sessions_live ON app.sessions (user_id) WHERE ended_at IS NULL;

CREATE TABLE IF NOT EXISTS app.position (
    id BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (id),
    seen BIGINT NOT NULL
);
