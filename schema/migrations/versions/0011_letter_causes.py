"""The index by which dead letters are counted by cause."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the index; the release before this one keeps it up to date without knowing it."""
    run_file("0011_letter_causes.sql")
