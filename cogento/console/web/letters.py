"""The pages of dead letters: by cause, one by one, and each with what can be done to it. No body is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog
from flask import abort, redirect, render_template, request, url_for

from cogento.console.failures import friendly_errors
from cogento.console.words import REDELIVERIES
from cogento.queue.redelivery import TAKEN_ALONG
from cogento.store.letter_records import LetterFilter, LetterStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from flask import Flask
    from werkzeug.wrappers import Response

    from cogento.console.dead_letters import LetterDetails
    from cogento.queue.redelivery import Redelivery
    from cogento.store.letter_records import Letter, LetterGroup

WHO = "console"
LISTED = 100
MAX_FINGERPRINT_LENGTH = 64
MAX_WHY_LENGTH = 500

_log = structlog.get_logger()


class DeadLetterService(Protocol):
    """Where the letters of these pages are dealt with (cogento/console/dead_letters.py)."""

    def groups(self, which: LetterFilter) -> Sequence[LetterGroup]:
        """Count letters by what they died of."""
        ...

    def page(self, which: LetterFilter, *, limit: int) -> Sequence[Letter]:
        """List letters, newest first."""
        ...

    def find(self, asked: str) -> Letter | None:
        """Find a letter by its number."""
        ...

    def open(self, letter: Letter) -> LetterDetails:
        """Say how it stands, what to do and what was done."""
        ...

    def retry(self, letter_ids: Collection[int], *, who: str, why: str | None) -> Mapping[int, Redelivery]:
        """Put letters back, and say of each what became of it."""
        ...

    def discard(self, letter_ids: Collection[int], *, who: str, why: str) -> int:
        """Close open letters; how many, is returned."""
        ...


class LetterPages:
    """Pages over one desk; whatever they change is asked for by POST, with the form's token."""

    def __init__(self, dead_letters: DeadLetterService) -> None:
        self._desk = dead_letters

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console/letters", "letters", self.causes)
        app.add_url_rule("/console/letters/<int:letter_id>", "letter", self.letter)
        app.add_url_rule(
            "/console/letters/<int:letter_id>/retry", "retry_letter", self.retry, methods=["POST"]
        )
        app.add_url_rule(
            "/console/letters/<int:letter_id>/discard", "discard_letter", self.discard, methods=["POST"]
        )

    def causes(self) -> str:
        """Show the unresolved letters by cause, and those of the cause that is asked for one by one."""
        fingerprint = request.args.get("fingerprint")
        if fingerprint is not None and not 0 < len(fingerprint) <= MAX_FINGERPRINT_LENGTH:
            abort(400, "A fingerprint looks like 1f0c9a3b5d7e8f60.")
        which = LetterFilter(fingerprint=fingerprint)
        with friendly_errors():
            groups = self._desk.groups(which)
            letters = self._desk.page(which, limit=LISTED) if fingerprint else ()
        return render_template("letters.html", groups=groups, letters=letters, fingerprint=fingerprint)

    def letter(self, letter_id: int) -> str:
        """Show one letter."""
        with friendly_errors():
            opened = self._desk.open(self._find(letter_id))
        is_open = opened.letter.status is LetterStatus.OPEN
        return render_template("letter.html", opened=opened, one=opened.letter, is_open=is_open)

    def retry(self, letter_id: int) -> Response | tuple[str, int]:
        """Put one letter back."""
        with friendly_errors():
            result = self._desk.retry([letter_id], who=WHO, why=_why())[letter_id]
        _log.info("letter_retried", letter=letter_id, result=result)
        return _back(letter_id) if result in TAKEN_ALONG else _refusal("Not put back", REDELIVERIES[result])

    def discard(self, letter_id: int) -> Response | tuple[str, int]:
        """Close one letter, for a reason."""
        why = _why()
        if why is None:
            abort(400, "Say why it need not be applied.")
        with friendly_errors():
            done = self._desk.discard([letter_id], who=WHO, why=why)
        _log.info("letter_discarded", letter=letter_id, done=bool(done))
        return _back(letter_id) if done else _refusal("Not discarded", "taken by somebody else, or closed")

    def _find(self, letter_id: int) -> Letter:
        letter = self._desk.find(str(letter_id))
        if letter is None:
            abort(404, "There is no dead letter of this number.")
        return letter


def _why() -> str | None:
    return request.form.get("why", "").strip()[:MAX_WHY_LENGTH] or None


def _back(letter_id: int) -> Response:
    return redirect(url_for("letter", letter_id=letter_id), code=303)


def _refusal(title: str, text: str) -> tuple[str, int]:
    return render_template("message.html", title=title, text=f"The letter is {text}."), 409
