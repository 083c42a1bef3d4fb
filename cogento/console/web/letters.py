"""The list of dead letters: by cause, one by one, and what is asked before many are retried or discarded at once.

Looking is GET, and the address says what is shown. Shows no body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from cogento.console.dead_letters import advice_for
from cogento.console.errors import friendly_errors
from cogento.console.web.answers import show
from cogento.console.web.letter_filters import STATUSES, read_query
from cogento.events.letters import LetterReason

if TYPE_CHECKING:
    from flask import Flask, Response

    from cogento.console.dead_letters import DeadLetterService

LISTED = 100


class LetterPages:
    """Pages over one service."""

    def __init__(self, dead_letters: DeadLetterService) -> None:
        self._dead_letters = dead_letters

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console/letters", "letters", self.list)

    def list(self) -> Response:
        """Show the letters that the address asks for: their causes, then the newest of them one by one."""
        asked = read_query(request.args)
        with friendly_errors():
            counts = self._dead_letters.statuses()
            groups = self._dead_letters.groups(asked.which, limit=LISTED)
            letters = self._dead_letters.page(asked.which, below=asked.below, limit=LISTED + 1)
            rows = self._dead_letters.rows(letters[:LISTED])
        is_one_cause = len(groups) == 1
        values = {
            "counts": counts,
            "groups": groups,
            "letters": letters[:LISTED],
            "rows": rows,
            "older": letters[LISTED - 1].id if len(letters) > LISTED else None,
        }
        drawn = {
            "asked": asked,
            "statuses": STATUSES,
            "reasons": LetterReason,
            "cause": groups[0] if is_one_cause else None,
            "advice": advice_for(groups[0].reason) if is_one_cause else None,
            "matching": f"{sum(group.letters for group in groups):,}" if len(groups) < LISTED else "of them",
        }
        return show("letters.html", values, drawn=drawn)
