"""The table of invoices."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make it; the release before this one ignores invoices."""
    run_file("0010_invoices.sql")
