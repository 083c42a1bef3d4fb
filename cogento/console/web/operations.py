"""Bulk retries and discards: the confirmation before one begins, how far each has come, and how it is stopped and continued.

Operations of commands are shown in the same way: all are in the tables.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import structlog
from flask import abort, redirect, request, url_for
from werkzeug.exceptions import BadRequest

from cogento.console.dead_letters import advice_for
from cogento.console.errors import Failure, friendly_errors
from cogento.console.messages import REDELIVERIES
from cogento.console.web.answers import show, show_message
from cogento.console.web.forms import read_number, read_reason
from cogento.console.web.letter_filters import read_query
from cogento.console.web.login import current_user
from cogento.queue.redelivery import Redelivery
from cogento.store.letter_records import LetterStatus
from cogento.store.operations import OPEN, OperationKind, OperationState

if TYPE_CHECKING:
    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.operations import OperationOutcome

LISTED = 50
CAUSES_LISTED = 20
CUSTOMERS_OF = 2_000
"""Over how many letters the customers are counted; with more letters the page says that there are at least so many customers."""
MAX_RATE = 10_000
MAX_NUMBER = 2**63 - 1
RUNNING = frozenset({OperationState.RUNNING, OperationState.STOPPING})
TONES = {
    OperationState.RUNNING: "busy",
    OperationState.STOPPING: "busy",
    OperationState.STOPPED: "busy",
    OperationState.INTERRUPTED: "bad",
    OperationState.FAILED: "bad",
    OperationState.DONE: "good",
}

_log = structlog.get_logger()


class OperationPages:
    """Pages over one service."""

    def __init__(self, dead_letters: DeadLetterService) -> None:
        self._dead_letters = dead_letters
        self._operations = dead_letters.operations

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        bulk = "/console/letters/<any(retry, discard):action>"
        app.add_url_rule(bulk, "confirm_letters", self.confirm)
        app.add_url_rule(bulk, "begin_operation", self.begin, methods=["POST"])
        app.add_url_rule("/console/operations", "operations", self.list)
        one = "/console/operations/<int:number>"
        app.add_url_rule(one, "operation", self.operation)
        app.add_url_rule(f"{one}/stop", "stop_operation", self.stop, methods=["POST"])
        app.add_url_rule(f"{one}/continue", "continue_operation", self.continue_, methods=["POST"])
        app.jinja_env.filters |= {
            "operation_tone": TONES.__getitem__,
            "result_in_words": _result_in_words,
            "end_in_words": _end_in_words,
        }

    def confirm(self, action: str) -> Response:
        """Say exactly what would be retried or discarded, and ask why."""
        return self._confirm(OperationKind(action))

    def begin(self, action: str) -> AnyResponse:
        """Begin what was confirmed, and redirect to the page of its progress; where that fails, the form keeps what was typed."""
        kind, asked = OperationKind(action), read_query(request.form)
        newest, shown = (read_number(name, most=MAX_NUMBER) for name in ("newest", "letters"))
        if newest is None or shown is None:
            abort(400, "The form does not say up to which letter, or how many. Open the page again.")
        which = replace(asked.which, statuses=OPEN, ids=asked.ticked or None, newest=newest)
        try:
            why = read_reason("Say why." if kind is OperationKind.DISCARD else "Say why it will work now.")
            rate = read_number("rate", most=MAX_RATE)
        except BadRequest as refusal:
            return self._confirm(kind, problem=refusal.description or "", status=400)
        try:
            operation = self._operations.start(
                kind, which, who=current_user().who, why=why, rate=rate, shown=shown
            )
        except Failure as failure:
            return self._confirm(kind, problem=failure.message, status=409)
        _log.info("operation_begun", operation=operation.id, kind=kind, letters=operation.total)
        return redirect(url_for("operation", number=operation.id), code=303)

    def _confirm(self, kind: OperationKind, *, problem: str = "", status: int = 200) -> Response:
        """Show what matches now; a form that was refused comes back with what was typed into it."""
        asked = read_query(request.form or request.args)
        which = replace(asked.which, statuses=OPEN, ids=asked.ticked or None)
        with friendly_errors():
            summary = self._dead_letters.summary(which, customers_of=CUSTOMERS_OF, causes=CAUSES_LISTED)
        values = {"action": kind, "summary": summary, "problem": problem}
        drawn = {
            "asked": asked,
            "advice": list(dict.fromkeys(advice_for(cause.reason) for cause in summary.causes)),
            "why": request.form.get("why", ""),
            "rate": request.form.get("rate", ""),
        }
        return show("confirm.html", values, drawn=drawn, status=status)

    def list(self) -> Response:
        """List the operations, the newest first."""
        below = read_number("below", most=MAX_NUMBER)
        listed = self._operations.page(below=below, limit=LISTED + 1)
        older = listed[LISTED - 1].id if len(listed) > LISTED else None
        return show(
            "operations.html", {"operations": listed[:LISTED], "older": older}, drawn={"below": below}
        )

    def operation(self, number: int) -> Response:
        """Show how far an operation has come, and what became of its letters."""
        found = self._operations.read(number) if number <= MAX_NUMBER else None
        if found is None:
            abort(404, "There is no operation of this number.")
        values = {
            "operation": found.operation,
            "outcomes": found.outcomes,
            "outcomes_age_seconds": found.outcomes_age_seconds,
        }
        return show("operation.html", values, drawn={"is_running": found.operation.state in RUNNING})

    def stop(self, number: int) -> AnyResponse:
        """Have an operation stop after its current batch."""
        done = self._operations.stop(number, who=current_user().who)
        _log.info("operation_stopped", operation=number, done=done)
        if not done:
            return show_message("Not stopped", "The operation does not run any more.", status=409)
        return redirect(url_for("operation", number=number), code=303)

    def continue_(self, number: int) -> AnyResponse:
        """Continue an operation that stopped early."""
        try:
            self._operations.continue_(number, who=current_user().who)
        except Failure as failure:
            return show_message("Not continued", failure.message, status=409)
        _log.info("operation_continued", operation=number)
        return redirect(url_for("operation", number=number), code=303)


def _result_in_words(result: str) -> str:
    return REDELIVERIES[Redelivery(result)] if result in set(Redelivery) else result


def _end_in_words(outcome: OperationOutcome) -> str:
    """Say where an operation's letters are now."""
    match outcome.status:
        case LetterStatus.OPEN:
            return "open again: they failed again, or could not be queued"
        case LetterStatus.RETRYING:
            return "still waiting for their turn"
        case LetterStatus.RESOLVED:
            return str(outcome.resolution)
        case LetterStatus.DISCARDED:
            return "discarded"
        case _:
            assert_never(outcome.status)
