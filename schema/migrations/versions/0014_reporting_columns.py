"""What reports need of a subscription: its items, and the dates and settings of its end, trial, pause and collection."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns, empty; the release before this one neither reads nor writes them."""
    run_file("0014_reporting_columns.sql")
