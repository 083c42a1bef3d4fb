"""Which dead letters are of cancellations or deletions, so that these can page the on-call."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; the release before this one does not fill it and does not break on it."""
    run_file("0006_removals.sql")
