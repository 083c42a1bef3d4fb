"""Our migrations. Their state is in a table of our own, for every other Alembic calls its own `alembic_version`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
VERSION_TABLE = "cogento_alembic_version"
