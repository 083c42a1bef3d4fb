-- Read the last migration that was applied to the tables.
SELECT version_num FROM cogento_alembic_version
