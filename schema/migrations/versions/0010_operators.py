"""What operators do: one line for each thing that they change, and how far a bulk retry or discard has come."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables and the column; the release before this one needs none of them and breaks on none."""
    run_file("0010_operators.sql")
