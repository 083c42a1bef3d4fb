"""The index by which customers of one address find each other."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the index; the release before this one keeps it up to date without knowing it."""
    run_file("0008_claimed_email.sql")
