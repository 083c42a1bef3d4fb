"""The console's Flask application: its groups of pages around one frame, with everything they need passed in.

Each group of pages is a module beside this one, which adds its own addresses.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flask import Flask, Response, abort, redirect, request, url_for
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.exceptions import HTTPException

from cogento.console.errors import NOT_UNDERSTOOD, Failure
from cogento.console.formatting import ago, clock, duration, items_in_words
from cogento.console.messages import describe_outcome
from cogento.console.queue_messages import describe_workers
from cogento.console.web.access import LocalAccess, ProxyAccess
from cogento.console.web.activity import ActivityPages
from cogento.console.web.answers import show_message
from cogento.console.web.customers import CustomerPages
from cogento.console.web.forgetting import ForgetPage
from cogento.console.web.frame import AccountChoice, DashboardAccount, install_frame
from cogento.console.web.letter import LetterPage
from cogento.console.web.letters import LetterPages
from cogento.console.web.operations import OperationPages
from cogento.console.web.overview import OverviewPages
from cogento.console.web.proxies import Proxies
from cogento.console.web.security import protect
from cogento.console.web.system import SystemPages
from cogento.console.web.waiting import WaitingPages
from cogento.metrics.declarations import TABLE_METRICS, measure
from cogento.metrics.exposition import ShownTables, exposition_of, is_trusted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.customers import CustomerService
    from cogento.console.dead_letters import DeadLetterService
    from cogento.console.poller import Overview, StatusPoller
    from cogento.console.sweeping import SweepRunner
    from cogento.console.system import SystemService
    from cogento.console.web.login import LoginViews
    from cogento.queue.figures import QueueFigures
    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.activity import Activity

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
FILTERS: dict[str, Callable[..., object]] = {
    "ago": ago,
    "duration": duration,
    "grouped": "{:,}".format,
    "second": SECOND.format,
    "moment": lambda stamp: SECOND.format(dt.datetime.fromtimestamp(stamp, dt.UTC)),
    "clock": clock,
    "iso": lambda stamp: dt.datetime.fromtimestamp(stamp, dt.UTC).isoformat(timespec="seconds"),
    "items_in_words": items_in_words,
    "tone": lambda status: TONE_OF_STATUS.get(status, ""),
    "workers": describe_workers,
    "letter_tone": lambda status: TONE_OF_LETTER.get(status, ""),
    "result": describe_outcome,
    "outcome_tone": lambda outcome: TONE_OF_OUTCOME.get(outcome, ""),
}


class PageGroup(Protocol):
    """Pages about one subject."""

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleServices:
    """All services that the pages use."""

    poller: StatusPoller
    mailboxes: Mailboxes
    dead_letters: DeadLetterService
    customers: CustomerService
    activity: Activity
    system: SystemService
    sweeps: SweepRunner


def create_app(
    services: ConsoleServices,
    *,
    hosts: Collection[str],
    login: LoginViews | ProxyAccess | LocalAccess | None,
    metrics_token: str | None = None,
    metrics_of: Mapping[str | None, StatusPoller] | None = None,
    proxies: Proxies | None = None,
    account: DashboardAccount | None = None,
    choice: AccountChoice | None = None,
) -> Flask:
    """Make the application of one account; without a login everyone who reaches it may do everything.

    `/metrics` shows all accounts, from `metrics_of`, by their names if they have any.
    """
    poller, dead_letters, customers = services.poller, services.dead_letters, services.customers
    app = Flask(__name__, static_url_path="/console/static")
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters.update(FILTERS)
    protect(app, hosts=hosts)
    (proxies or Proxies()).require_https(app)
    (login or LocalAccess()).install(app)
    groups: list[PageGroup] = [
        OverviewPages(poller),
        LetterPages(dead_letters),
        LetterPage(dead_letters),
        OperationPages(dead_letters),
        CustomerPages(customers),
        ForgetPage(customers),
        WaitingPages(poller, services.mailboxes, customers.queue),
        ActivityPages(services.activity),
        SystemPages(poller, services.system, services.sweeps),
    ]
    for group in groups:
        group.install(app)
    install_frame(app, poller, account or DashboardAccount(), choice)
    app.add_url_rule("/", "home", lambda: redirect(url_for("overview")))
    app.add_url_rule("/healthz", "health", lambda: {"status": "ok"})
    app.add_url_rule(
        "/metrics", "metrics", lambda: _answer_metrics(metrics_of or {None: poller}, metrics_token)
    )
    app.register_error_handler(HTTPException, _show_error)
    app.register_error_handler(Failure, _show_failure)
    return app


def _answer_metrics(pollers: Mapping[str | None, StatusPoller], token: str | None) -> Response:
    """Answer with the metrics, to those who may see them."""
    if not is_trusted(request.environ, token):
        abort(404)
    known = {label: _known(poller.overview()) for label, poller in pollers.items()}
    return Response(exposition_of(known), content_type=CONTENT_TYPE_LATEST)


def _known(seen: Overview) -> tuple[QueueFigures | None, ShownTables]:
    measured = measure(TABLE_METRICS, seen.tables) if seen.tables else {}
    return seen.queue, ShownTables(measured, is_up=seen.tables is not None)


def _show_failure(failure: Failure) -> Response:
    """Show a failure as a page: a server is away, or refuses the request."""
    if failure.exit_code == NOT_UNDERSTOOD:
        return show_message("Not understood", failure.message, status=400)
    return show_message("No answer", failure.message, status=503)


def _show_error(error: HTTPException) -> AnyResponse:
    """Show an HTTP error as a page; a redirect is passed on."""
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    return show_message(error.name, error.description or "", status=error.code or 500)
