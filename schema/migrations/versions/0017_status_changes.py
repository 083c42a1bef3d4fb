"""The ledger says how an event changed its object's status."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add two columns that may be empty: at once, and the release before this one writes rows without them."""
    run_file("0017_status_changes.sql")
