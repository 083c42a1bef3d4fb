"""The ledger's days are made and dropped by functions with their owner's rights, so that a worker needs no right to change tables."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the functions; the release before this one still makes days by itself, under the same lock."""
    run_file("0012_ledger_days.sql")
