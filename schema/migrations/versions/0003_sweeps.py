"""How far the missed-event sweep has come, and which events it has seen and not yet found settled."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables; the release before this one needs neither and breaks on neither."""
    run_file("0003_sweeps.sql")
