"""Changes of the tables are recorded and announced, where that is switched on."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table of changes and its functions; nothing writes to it until `CHANGES=on`."""
    run_file("0015_changes.sql")
