-- Give the version table of earlier releases a name of our own. Whoever may read it keeps that right.
ALTER TABLE alembic_version RENAME TO cogento_alembic_version;
ALTER INDEX IF EXISTS alembic_version_pkc RENAME TO cogento_alembic_version_pkc;

-- For those releases, which may still run or come back: they read it, and migrate through it.
CREATE VIEW alembic_version AS SELECT version_num FROM cogento_alembic_version;
COMMENT ON VIEW alembic_version IS 'For earlier releases of Cogento''s Stripe sync; drop it once none runs.';
GRANT SELECT ON alembic_version TO PUBLIC;
