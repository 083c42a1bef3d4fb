"""The whole last object beside each row, where KEEP_OBJECTS asks for it."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the table; the release before this one neither fills nor erases it, and it is empty until then."""
    run_file("0018_kept_objects.sql")
