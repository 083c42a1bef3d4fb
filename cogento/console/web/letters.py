"""The list of dead letters: by cause and one by one, with links to retry or discard many at once.

Pages are shown by GET, and the URL says what is shown. Shows no body.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flask import request

from cogento.console.dead_letters import advice_for
from cogento.console.errors import friendly_errors
from cogento.console.web.answers import show
from cogento.console.web.letter_filters import STATUSES, LetterQuery, read_query
from cogento.events.letters import LetterReason

if TYPE_CHECKING:
    from flask import Flask, Response

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.letter_records import LetterFilter

LISTED = 100
COUNTED = 10_000
"""Up to how many letters a list counts; beyond, it says that there are more. Actions on letters count all of them."""
LOOKED_THROUGH = 20_000
"""How many letters one page searches for a text, for which there is no index; the page then says which they were."""


class LetterPages:
    """Pages over one service."""

    def __init__(self, dead_letters: DeadLetterService) -> None:
        self._dead_letters = dead_letters

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console/letters", "letters", self.list)
        app.jinja_env.filters["counted"] = _counted

    def list(self) -> Response:
        """Show the letters that the query asks for: their causes, then the newest of them one by one."""
        asked = read_query(request.args)
        with friendly_errors():
            found = self._dead_letters.statuses(count_to=COUNTED + 1)
            which = _window(asked, newest=found.newest) if asked.which.text else asked.which
            groups = self._dead_letters.groups(which, newest=COUNTED, limit=LISTED)
            letters = self._dead_letters.page(which, below=asked.below, limit=LISTED + 1)
            rows = self._dead_letters.rows(letters[:LISTED])
        matching = sum(group.letters for group in groups)
        is_from_the_newest = which.newest is None or which.newest == found.newest
        is_counted = matching < COUNTED and len(groups) < LISTED
        is_all = is_counted and is_from_the_newest and (which.oldest or 1) == 1
        older = letters[LISTED - 1].id if len(letters) > LISTED else None
        unread = which.oldest if older is None and which.oldest != 1 else None
        values = {
            "counts": found.counts,
            "groups": groups,
            "letters": letters[:LISTED],
            "rows": rows,
            "older": older or unread,
            "looked_through": [which.oldest, which.newest] if which.text else None,
        }
        drawn = {
            "asked": asked,
            "statuses": STATUSES,
            "reasons": LetterReason,
            "cause": groups[0] if len(groups) == 1 else None,
            "advice": advice_for(groups[0].reason) if len(groups) == 1 else None,
            "matching": f"{matching:,}" if is_all else "of them",
            "of_the_newest": COUNTED if matching >= COUNTED else None,
            "unread": unread,
            "counted_below": asked.below if which.text else None,
        }
        return show("letters.html", values, drawn=drawn)


def _window(asked: LetterQuery, *, newest: int) -> LetterFilter:
    """Limit a search for a text: to the newest letters, or to those below the one that the query names."""
    newest = newest if asked.below is None else min(asked.below - 1, newest)
    return replace(asked.which, newest=newest, oldest=max(newest - LOOKED_THROUGH + 1, 1))


def _counted(letters: int) -> str:
    """Write how many there are, as far as they are counted."""
    return f"more than {COUNTED:,}" if letters > COUNTED else f"{letters:,}"
