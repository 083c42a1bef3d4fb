"""Views for reports: items, live subscriptions, revenue and churn by month, members by metadata."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Make them; the release before this one knows none of them."""
    run_file("0016_reporting_views.sql")
