-- Read which migration the tables are at.
SELECT version_num FROM cogento_alembic_version
