"""The page of the system: both servers, the promise, the workers, the sweep, Stripe, versions and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import abort, redirect, url_for

from cogento.console.errors import friendly_errors
from cogento.console.messages import describe_kept_out
from cogento.console.web.answers import show, show_message
from cogento.console.web.forms import read_reason
from cogento.console.web.frame import overview_seen
from cogento.console.web.login import current_user
from cogento.queue.durability import warning_of

if TYPE_CHECKING:
    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.poller import StatusPoller
    from cogento.console.sweeping import SweepRunner
    from cogento.console.system import SystemService


class SystemPages:
    """The page, and the form on it."""

    def __init__(self, poller: StatusPoller, system: SystemService, sweeps: SweepRunner) -> None:
        self._poller = poller
        self._system = system
        self._sweeps = sweeps

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console/system", "system", self.show)
        app.add_url_rule("/console/system/sweep", "run_sweep", self.sweep, methods=["POST"])

    def show(self) -> Response:
        """Show everything that is known; a server that is away is said to be, and the rest is shown."""
        seen, redis, postgres = overview_seen(self._poller), self._system.redis(), self._system.postgres()
        queue, tables = seen.queue, seen.tables
        values = {
            "redis": redis,
            "postgres": postgres,
            "release": self._system.release,
            "workers": queue and queue.workforce.seen,
            "circuits": queue and queue.waits_for,
            "not_taken": queue and describe_kept_out(queue.kept_out),
            "sweeping": tables and tables.sweeping,
            "sweep": self._sweeps.last,
            "stripe_key": self._sweeps.is_possible,
            "settings": self._system.settings(),
        }
        drawn = {
            "now_ms": queue and queue.workforce.now_ms,
            "warning": redis.facts and warning_of(redis.facts.ack),
            "queue": queue,
        }
        return show("system.html", values, drawn=drawn)

    def sweep(self) -> AnyResponse:
        """Begin a sweep, for a reason."""
        why = read_reason("Say why: it is kept with what you do.")
        if not self._sweeps.is_possible:
            abort(409, "Stripe is asked only with a key: set STRIPE_API_KEY for the console, too.")
        with friendly_errors():
            is_begun = self._sweeps.start(who=current_user().who, why=why)
        if not is_begun:
            return show_message("Nothing changed", "A sweep is under way already.", status=409)
        return redirect(url_for("system"), code=303)
