"""Our migrations. Their state is in a table of our own, for every other Alembic calls its own `alembic_version`."""

from __future__ import annotations

VERSION_TABLE = "cogento_alembic_version"
