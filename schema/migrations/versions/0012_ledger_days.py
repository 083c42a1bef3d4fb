"""The ledger's days are made and dropped by functions, which have their owner's rights: a worker needs none to change tables."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the functions; the release before this one goes on making days by itself, under the same lock."""
    run_file("0012_ledger_days.sql")
