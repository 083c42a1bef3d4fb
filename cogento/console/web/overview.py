"""The overview: what needs attention, how much there is of everything, and the last minutes, hour or day.

All of it comes from the poller's memory: no server is queried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import abort, request, url_for

from cogento.console.attention import Seen, judge
from cogento.console.timeline import PARTS, Span, buckets_of, recovered, rows_of
from cogento.console.web.answers import show
from cogento.console.web.chart import KIND_OF_OUTCOME, BarKind, draw
from cogento.console.web.frame import Tab, overview_seen

if TYPE_CHECKING:
    from flask import Flask, Response

    from cogento.console.poller import Overview, StatusPoller
    from cogento.console.timeline import TimelineRow

UNITS = {Span.MINUTES: "a second", Span.HOUR: "a minute", Span.DAY: "in 15 minutes"}
LABELS = {Span.MINUTES: "2 minutes", Span.HOUR: "1 hour", Span.DAY: "24 hours"}


@dataclass(frozen=True, slots=True)
class TableLine:
    """A line of the chart's table: one part of time, in the chart's four kinds."""

    row: TimelineRow
    applied: int
    unchanged: int
    set_aside: int
    dead: int


class OverviewPages:
    """The overview, and the part of it that changes."""

    def __init__(self, poller: StatusPoller) -> None:
        self._poller = poller

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console", "overview", lambda: self._show("overview.html"))
        app.add_url_rule("/console/live", "live", lambda: self._show("live.html"))

    def _show(self, template: str) -> Response:
        seen, span = overview_seen(self._poller), _span()
        verdict = judge(judged(seen))
        buckets = buckets_of(span, seen)
        rows = rows_of(span, buckets, second=seen.second)
        values = {
            "checked_at": seen.second,
            "verdict": verdict,
            "queue": seen.queue,
            "tables": seen.tables,
            "throughput": seen.throughput,
            "span": span,
            "timeline": rows,
            "customers": seen.customers,
            "subscriptions": seen.subscriptions,
        }
        drawn = {
            "chart": draw(buckets, seconds=PARTS[span].seconds),
            "unit": UNITS[span],
            "spans": [Tab(LABELS[one], url_for("overview", span=one), is_chosen=one is span) for one in Span],
            "table": [_line(row) for row in rows],
        }
        return show(template, values, drawn=drawn)


def _span() -> Span:
    try:
        return Span(request.args.get("span", Span.MINUTES))
    except ValueError:
        abort(400, f"A chart spans {', '.join(Span)}.")


def judged(seen: Overview) -> Seen:
    """Return the facts by which `attention.judge` judges."""
    return Seen(
        queue=seen.queue,
        tables=seen.tables,
        queue_problem=seen.queue_problem,
        tables_problem=seen.tables_problem,
        waiting=seen.waiting,
        causes=seen.causes,
        not_ended=seen.not_ended,
        recovered=recovered(seen.minutes),
    )


def _line(row: TimelineRow) -> TableLine:
    counts = dict.fromkeys(BarKind, 0)
    for outcome, count in row.settled.items():
        counts[KIND_OF_OUTCOME.get(outcome, BarKind.SET_ASIDE)] += count
    return TableLine(row, *counts.values())
