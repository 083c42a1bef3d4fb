"""What keeps the console fast with many letters: bodies in a table of their own, and indexes that suffice for counting."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Change how letters are kept and found; the release before this one reads and writes them as before."""
    run_file("0013_console_reading.sql")
