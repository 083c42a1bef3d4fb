"""One dead letter: why it failed, what its row shows meanwhile, what was done to it, and what can be done.

Its body is shown masked. To see the values one gives a reason, which is recorded before anything is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from flask import abort, redirect, url_for

from cogento.console.errors import friendly_errors
from cogento.console.messages import REDELIVERIES, describe_row_since
from cogento.console.payload import payload_tree
from cogento.console.web.answers import show, show_message
from cogento.console.web.forms import read_reason
from cogento.console.web.letters import COUNTED
from cogento.console.web.login import current_user
from cogento.events.event import read_status_change
from cogento.queue.redelivery import TAKEN_ALONG
from cogento.store.letter_records import LetterFilter, LetterStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.dead_letters import DeadLetterService, LetterDetails
    from cogento.store.letter_records import Letter

OPEN = frozenset({LetterStatus.OPEN})

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Something that happened to a letter or its event."""

    at: dt.datetime
    what: str
    who: str = ""
    why: str = ""


class LetterPage:
    """The page of one letter; every change and the unmasked body are requested by POST, with the form's token."""

    def __init__(self, dead_letters: DeadLetterService) -> None:
        self._dead_letters = dead_letters

    def install(self, app: Flask) -> None:
        """Put the page into an application."""
        address = "/console/letters/<int:letter_id>"
        app.add_url_rule(address, "letter", self.show)
        app.add_url_rule(f"{address}/retry", "retry_letter", self.retry, methods=["POST"])
        app.add_url_rule(f"{address}/discard", "discard_letter", self.discard, methods=["POST"])
        app.add_url_rule(f"{address}/reopen", "reopen_letter", self.reopen, methods=["POST"])
        app.add_url_rule(f"{address}/reveal", "reveal_letter", self.reveal, methods=["POST"])

    def show(self, letter_id: int) -> Response:
        """Show one letter, its body masked."""
        letter = self._find(letter_id)
        with friendly_errors():
            body = self._dead_letters.body(letter.id)
        return self._page(letter, body)

    def reveal(self, letter_id: int) -> Response:
        """Show one letter with its body unmasked, after recording who wants to see it and why."""
        why = read_reason("Say why its values have to be seen.")
        letter = self._find(letter_id)
        with friendly_errors():
            body = self._dead_letters.reveal(letter, who=current_user().who, why=why)
        _log.info("letter_revealed", letter=letter.id)
        return self._page(letter, body, is_revealed=True)

    def retry(self, letter_id: int) -> AnyResponse:
        """Put one letter back into its customer's mailbox, for a reason."""
        why = read_reason("Say why it will work now.")
        with friendly_errors():
            result = self._dead_letters.retry([letter_id], who=current_user().who, why=why)[letter_id]
        _log.info("letter_retried", letter=letter_id, result=result)
        return _back(letter_id) if result in TAKEN_ALONG else _refusal("Not retried", REDELIVERIES[result])

    def discard(self, letter_id: int) -> AnyResponse:
        """Close one letter, for a reason."""
        why = read_reason("Say why it need not be applied.")
        with friendly_errors():
            done = self._dead_letters.discard([letter_id], who=current_user().who, why=why)
        _log.info("letter_discarded", letter=letter_id, done=bool(done))
        return _back(letter_id) if done else _refusal("Not discarded", "taken by somebody else, or closed")

    def reopen(self, letter_id: int) -> AnyResponse:
        """Take back a discard, for a reason."""
        why = read_reason("Say why it is needed after all.")
        with friendly_errors():
            done = self._dead_letters.reopen([letter_id], who=current_user().who, why=why)
        _log.info("letter_reopened", letter=letter_id, done=bool(done))
        text = "not discarded, its payload was erased, or its event has another open letter"
        return _back(letter_id) if done else _refusal("Not reopened", text)

    def _find(self, letter_id: int) -> Letter:
        with friendly_errors():
            letter = self._dead_letters.find(str(letter_id))
        if letter is None:
            abort(404, "There is no dead letter of this number.")
        return letter

    def _page(self, letter: Letter, body: bytes | None, *, is_revealed: bool = False) -> Response:
        with friendly_errors():
            opened = self._dead_letters.open(letter)
            row = self._dead_letters.rows([letter]).get(letter.id)
            alike = LetterFilter(statuses=OPEN, fingerprint=letter.fingerprint)
            same_cause = sum(group.letters for group in self._dead_letters.groups(alike, newest=COUNTED + 1))
        values = {
            "letter": letter,
            "standing": opened.standing,
            "advice": opened.advice,
            "row": row,
            "same_cause": same_cause,
            "history": sorted(_history(opened), key=lambda entry: entry.at),
            "change": str(read_status_change(body or b"")),
            "payload": payload_tree(body, reveal=is_revealed) if body is not None else None,
        }
        drawn = {
            "opened": opened,
            "row_since": describe_row_since(letter, row) if row else None,
            "is_revealed": is_revealed,
        }
        return show("letter.html", values, drawn=drawn)


def _history(opened: LetterDetails) -> Iterator[HistoryEntry]:
    letter = opened.letter
    yield HistoryEntry(letter.event_created_at, "created in Stripe")
    yield HistoryEntry(letter.received_at, f"received ({letter.source})")
    if letter.first_attempt_at is not None and letter.first_attempt_at != letter.died_at:
        yield HistoryEntry(letter.first_attempt_at, "first attempt")
    failed = f"attempt {letter.attempts} failed" if letter.attempts > 1 else "failed"
    yield HistoryEntry(letter.died_at, failed, f"worker {letter.worker_version or ''}".rstrip())
    for action in opened.actions:
        yield HistoryEntry(action.happened_at, action.action, action.who, action.why or "")
    if letter.status is LetterStatus.RESOLVED and letter.resolved_at is not None:
        yield HistoryEntry(letter.resolved_at, str(letter.resolution), str(letter.resolved_by))


def _back(letter_id: int) -> AnyResponse:
    return redirect(url_for("letter", letter_id=letter_id), code=303)


def _refusal(title: str, text: str) -> Response:
    return show_message(title, f"The letter is {text}.", status=409)
