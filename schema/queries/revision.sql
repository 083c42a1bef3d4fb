-- Read which migration the tables are at.
SELECT version_num FROM alembic_version
