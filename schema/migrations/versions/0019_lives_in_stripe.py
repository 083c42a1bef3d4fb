"""Users who were forgotten while they lived in Stripe are told from those whom Stripe has deleted."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add a column with a default: at once, and the release before this one writes rows without it."""
    run_file("0019_lives_in_stripe.sql")
