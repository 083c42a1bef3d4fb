"""The console's Flask application: what is shown at which address, with everything it needs passed in.

Read-only but for two things: who is logged in, and the dead letters that a person deals with.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, g, redirect, render_template, request, url_for
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.exceptions import HTTPException

from cogento.console.errors import NOT_UNDERSTOOD, Failure, friendly_errors
from cogento.console.explain import AmbiguousQuery, PartialExplanation
from cogento.console.formatting import ago, duration
from cogento.console.messages import describe_workers
from cogento.console.status import health_summary
from cogento.console.web.access import LocalAccess
from cogento.console.web.chart import draw
from cogento.console.web.letters import LetterPages
from cogento.console.web.security import protect
from cogento.metrics.declarations import TABLE_METRICS, measure
from cogento.metrics.exposition import ShownTables, exposition, is_trusted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.dead_letters import DeadLetterService
    from cogento.console.poller import StatusPoller
    from cogento.console.web.login import LoginViews

MAX_ID_LENGTH = 255
SECOND = "{:%Y-%m-%d %H:%M:%S}"
TONE_OF_STATUS = {
    "active": "good",
    "trialing": "good",
    "past_due": "busy",
    "incomplete": "busy",
    "paused": "busy",
    "unpaid": "bad",
    "canceled": "",
    "incomplete_expired": "",
}


TONE_OF_OUTCOME = {"applied": "good", "dead": "bad"}
TONE_OF_LETTER = {"open": "bad", "retrying": "busy", "resolved": "good", "discarded": ""}
FILTERS: dict[str, Callable[..., str]] = {
    "ago": ago,
    "duration": duration,
    "grouped": "{:,}".format,
    "second": SECOND.format,
    "moment": lambda stamp: SECOND.format(dt.datetime.fromtimestamp(stamp, dt.UTC)),
    "tone": lambda status: TONE_OF_STATUS.get(status, ""),
    "workers": describe_workers,
    "letter_tone": lambda status: TONE_OF_LETTER.get(status, ""),
    "outcome_tone": lambda outcome: TONE_OF_OUTCOME.get(outcome, ""),
}


def create_app(
    poller: StatusPoller,
    dead_letters: DeadLetterService,
    *,
    hosts: Collection[str],
    login: LoginViews | LocalAccess | None,
    metrics_token: str | None = None,
) -> Flask:
    """Make the application; without a login everyone who reaches it may do everything."""
    app = Flask(__name__, static_url_path="/console/static")
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters.update(FILTERS)
    protect(app, hosts=hosts)
    (login or LocalAccess()).install(app)
    app.context_processor(lambda: {"user": g.get("user")})
    LetterPages(dead_letters).install(app)
    pages = Pages(poller, metrics_token)
    app.add_url_rule("/", "home", lambda: redirect(url_for("overview")))
    app.add_url_rule("/healthz", "health", lambda: {"status": "ok"})
    app.add_url_rule("/metrics", "metrics", pages.metrics)
    app.add_url_rule("/console", "overview", pages.overview)
    app.add_url_rule("/console/live", "live", pages.live)
    app.add_url_rule("/console/explain", "explain", pages.explain)
    app.register_error_handler(HTTPException, _show_error)
    app.register_error_handler(Failure, _show_failure)
    return app


class Pages:
    """The pages that need a login, and the metrics, which have a rule of their own."""

    def __init__(self, poller: StatusPoller, metrics_token: str | None) -> None:
        self._poller = poller
        self._metrics_token = metrics_token

    def overview(self) -> str:
        """Show how things stand."""
        return self._render("overview.html")

    def live(self) -> str:
        """Show the part of the overview that changes."""
        return self._render("live.html")

    def explain(self) -> tuple[str, int]:
        """Explain what was asked for."""
        asked = request.args.get("id", "").strip()
        if not asked or len(asked) > MAX_ID_LENGTH:
            abort(400, "Ask for a customer, a subscription or an event by its id.")
        with friendly_errors():
            found = self._poller.explain(asked)
        if found is None:
            return render_template("unknown.html", asked=asked), 404
        if isinstance(found, PartialExplanation):
            return render_template("explain.html", asked=asked, found=found.explanation), 503
        template = "several.html" if isinstance(found, AmbiguousQuery) else "explain.html"
        return render_template(template, asked=asked, found=found), 200

    def metrics(self) -> Response:
        """Answer the metrics, to those who may see them."""
        if not is_trusted(request.environ, self._metrics_token):
            abort(404)
        seen = self._poller.overview()
        measured = measure(TABLE_METRICS, seen.tables) if seen.tables else {}
        known = exposition(seen.queue, ShownTables(measured, is_up=seen.tables is not None))
        return Response(known, content_type=CONTENT_TYPE_LATEST)

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


def _show_failure(failure: Failure) -> tuple[str, int]:
    """Show that a server is away, or can't be asked for such a thing."""
    if failure.exit_code == NOT_UNDERSTOOD:
        return render_template("message.html", title="Not understood", text=failure.message), 400
    return render_template("message.html", title="No answer", text=failure.message), 503


def _show_error(error: HTTPException) -> AnyResponse | tuple[str, int]:
    """Show a refusal as a page; a redirect is no refusal."""
    code = error.code or 500
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    return render_template("message.html", title=error.name, text=error.description), code
