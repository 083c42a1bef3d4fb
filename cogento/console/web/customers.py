"""The page that explains a customer, asked for by any id of Stripe's or by an e-mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import abort, render_template, request

from cogento.console.errors import friendly_errors
from cogento.console.explain import AmbiguousQuery, PartialExplanation

if TYPE_CHECKING:
    from flask import Flask

    from cogento.console.poller import StatusPoller

MAX_ID_LENGTH = 255


class CustomerPages:
    """What is known of one customer."""

    def __init__(self, poller: StatusPoller) -> None:
        self._poller = poller

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console/explain", "explain", self.explain)

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
