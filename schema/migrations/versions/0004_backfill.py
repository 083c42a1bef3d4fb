"""How far a backfill has come, so that one that was killed goes on."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables; the release before this one needs none of them and breaks on none."""
    run_file("0004_backfill.sql")
