"""What an operator does to waiting mail, by a form on any page: it is done for a reason, and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from flask import redirect

from cogento.console.errors import friendly_errors
from cogento.console.queue_actions import UNCHANGED
from cogento.console.web.answers import show_message
from cogento.console.web.forms import read_reason
from cogento.console.web.login import current_user

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.queue_actions import QueueAction, QueueActions
    from cogento.events.names import CustomerId

_log = structlog.get_logger()


def answer_form(
    actions: QueueActions, action: QueueAction, whose: CustomerId | None, *, back: str
) -> AnyResponse:
    """Do what the form asks for, to one customer or to all, and lead back to where it was."""
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
