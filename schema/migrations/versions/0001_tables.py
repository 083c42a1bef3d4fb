"""The tables of the owner's schema, the ledger and the dead letters."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    run_file("0001_tables.sql")
