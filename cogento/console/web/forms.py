"""The console's forms: reading and checking what people type, and the actions on waiting events that any page may have.

A form that is refused is answered with 400 and says what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from flask import abort, redirect, request

from cogento.console.errors import friendly_errors
from cogento.console.queue_actions import UNCHANGED
from cogento.console.web.answers import show_message
from cogento.console.web.login import current_user

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.queue_actions import QueueAction, QueueActions
    from cogento.events.names import CustomerId

_log = structlog.get_logger()

MAX_REASON_LENGTH = 500


def read_reason(missing: str) -> str:
    """Read the reason for an action; `missing` is the error message where there is none."""
    why = request.form.get("why", "").strip()
    if not why:
        abort(400, missing)
    if len(why) > MAX_REASON_LENGTH:
        abort(400, f"A reason has at most {MAX_REASON_LENGTH} characters; this one has {len(why):,}.")
    return why


def read_number(name: str, *, most: int) -> int | None:
    """Read a number from 1 on, from the form or else from the query; None where there is none."""
    word = request.values.get(name, "").strip()
    if not word:
        return None
    is_number = word.isascii() and word.isdecimal() and len(word) <= len(str(most))
    if not is_number or not 1 <= int(word) <= most:
        abort(400, f"{name} is a whole number from 1 to {most:,}.")
    return int(word)


def answer_form(
    actions: QueueActions, action: QueueAction, whose: CustomerId | None, *, back: str
) -> AnyResponse:
    """Do what the form asks for, to one customer or to all, and redirect to the page it was on."""
    why = read_reason("Say why: it is kept with what you do.")
    with friendly_errors():
        done = actions.do(action, whose, who=current_user().who, why=why)
    _log.info("queue_action_done", action=action, customer=whose, changed=done.changed)
    if not done.changed:
        return show_message("Nothing changed", UNCHANGED[action].format(whose or "Everything"), status=409)
    if done.unrecorded:
        text = f"It is not in Activity: {done.unrecorded}"
        return show_message("Done, but not recorded", text, status=200)
    return redirect(back, code=303)
