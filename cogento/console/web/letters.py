"""The pages of dead letters: by cause, one by one, and each with what can be done to it. No body is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from flask import abort, redirect, render_template, request, url_for

from cogento.console.errors import friendly_errors
from cogento.console.messages import REDELIVERIES
from cogento.console.web.login import current_user
from cogento.queue.redelivery import TAKEN_ALONG
from cogento.store.letter_records import LetterFilter, LetterStatus

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.wrappers import Response

    from cogento.console.dead_letters import DeadLetterService

LISTED = 100
MAX_FINGERPRINT_LENGTH = 64
MAX_WHY_LENGTH = 500

_log = structlog.get_logger()


class LetterPages:
    """Pages over one service; whatever they change is asked for by POST, with the form's token."""

    def __init__(self, dead_letters: DeadLetterService) -> None:
        self._dead_letters = dead_letters

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
            groups = self._dead_letters.groups(which)
            letters = self._dead_letters.page(which, limit=LISTED) if fingerprint else ()
        return render_template("letters.html", groups=groups, letters=letters, fingerprint=fingerprint)

    def letter(self, letter_id: int) -> str:
        """Show one letter."""
        with friendly_errors():
            letter = self._dead_letters.find(str(letter_id))
            if letter is None:
                abort(404, "There is no dead letter of this number.")
            opened = self._dead_letters.open(letter)
        is_open = opened.letter.status is LetterStatus.OPEN
        return render_template("letter.html", opened=opened, one=opened.letter, is_open=is_open)

    def retry(self, letter_id: int) -> Response | tuple[str, int]:
        """Put one letter back."""
        with friendly_errors():
            result = self._dead_letters.retry([letter_id], who=current_user().who, why=_why())[letter_id]
        _log.info("letter_retried", letter=letter_id, result=result)
        return _back(letter_id) if result in TAKEN_ALONG else _refusal("Not put back", REDELIVERIES[result])

    def discard(self, letter_id: int) -> Response | tuple[str, int]:
        """Close one letter, for a reason."""
        why = _why()
        if why is None:
            abort(400, "Say why it need not be applied.")
        with friendly_errors():
            done = self._dead_letters.discard([letter_id], who=current_user().who, why=why)
        _log.info("letter_discarded", letter=letter_id, done=bool(done))
        return _back(letter_id) if done else _refusal("Not discarded", "taken by somebody else, or closed")


def _why() -> str | None:
    return request.form.get("why", "").strip()[:MAX_WHY_LENGTH] or None


def _back(letter_id: int) -> Response:
    return redirect(url_for("letter", letter_id=letter_id), code=303)


def _refusal(title: str, text: str) -> tuple[str, int]:
    return render_template("message.html", title=title, text=f"The letter is {text}."), 409
