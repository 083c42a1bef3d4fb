"""What people and workers did to dead letters, and since when a letter is on its way back."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table and the column; the release before this one needs neither and breaks on neither."""
    run_file("0002_letter_actions.sql")
