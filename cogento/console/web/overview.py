"""The overview: how things stand, drawn from the poller's memory. It asks no server anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import render_template

from cogento.console.status import health_summary
from cogento.console.web.chart import draw

if TYPE_CHECKING:
    from flask import Flask

    from cogento.console.poller import StatusPoller


class OverviewPages:
    """The overview, and the part of it that changes."""

    def __init__(self, poller: StatusPoller) -> None:
        self._poller = poller

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console", "overview", self.overview)
        app.add_url_rule("/console/live", "live", self.live)

    def overview(self) -> str:
        """Show how things stand."""
        return self._render("overview.html")

    def live(self) -> str:
        """Show the part of the overview that changes."""
        return self._render("live.html")

    def _render(self, template: str) -> str:
        seen = self._poller.overview()
        return render_template(
            template,
            health=health_summary(
                seen.queue,
                seen.tables,
                queue_problem=seen.queue_problem,
                tables_problem=seen.tables_problem,
            ),
            chart=draw(seen.buckets),
            queue=seen.queue,
            tables=seen.tables,
            throughput=seen.throughput,
            customers=seen.customers,
            subscriptions=seen.subscriptions,
        )
