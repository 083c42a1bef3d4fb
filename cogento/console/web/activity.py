"""The page of what operators did: who, when, about what and why, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import abort, request, url_for

from cogento import runtime
from cogento.console.errors import friendly_errors
from cogento.console.web.answers import show
from cogento.console.web.forms import read_number
from cogento.store.activity import Action

if TYPE_CHECKING:
    from flask import Flask, Response

    from cogento.store.activity import Activity

LISTED = 50
MAX_LENGTH = 255
HIGHEST_ID = 2**63 - 1
ANSWER_SECONDS = 20
FILTERS = ("who", "action", "about")


class ActivityPages:
    """The list, filtered by the query of its URL."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console/activity", "activity", self.list)

    def list(self) -> Response:
        """Show what was done, filtered by the query."""
        asked: dict[str, Any] = {
            name: text for name in FILTERS if (text := request.args.get(name, "").strip())
        }
        if any(len(text) > MAX_LENGTH or not text.isprintable() for text in asked.values()):
            abort(400, "Ask for a name, an action, or a customer, object or event by its id.")
        below = read_number("below", most=HIGHEST_ID)
        page = self._activity.page(**asked, below=below, limit=LISTED + 1)
        with friendly_errors():
            found = runtime.run(page, timeout_seconds=ANSWER_SECONDS)
        entries = found[:LISTED]
        older = entries[-1].id if len(found) > LISTED else None
        drawn = {
            "asked": asked,
            "actions": Action,
            "older_url": older and url_for("activity", **asked, below=older),
            "newest_url": below and url_for("activity", **asked),
        }
        return show("activity.html", {"entries": entries, "older": older}, drawn=drawn)
