"""What alembic runs for each command: on the connection that cogento/store/migrate.py hands in, all in one transaction."""

from __future__ import annotations

from alembic import context

from schema.migrations import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
