"""Objects of which thin events told, and which Stripe has to be asked for."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table; the release before this one does not need it and does not break on it."""
    run_file("0005_notices.sql")
