"""Rules that must be the same for every process that writes rows: the form of addresses, and the statuses that make members."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add a column and a table; the release before this one does not fill them and does not break on them."""
    run_file("0007_one_rule_for_all.sql")
