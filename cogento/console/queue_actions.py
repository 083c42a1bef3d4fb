"""What an operator does to waiting events: pause them, resume them, have them tried now. Each action is recorded as activity.

It happens in Redis, and first: so it is possible while Postgres is away, and the result then says that it was not recorded. For
commands and pages alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from cogento import runtime
from cogento.console.errors import Failure, friendly_errors
from cogento.events.names import CustomerId, is_object_id
from cogento.store.activity import Action

if TYPE_CHECKING:
    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.store import Store


class QueueAction(StrEnum):
    """What an operator can do, by the last part of its address on the pages."""

    PAUSE = "pause"
    RESUME = "resume"
    TRY_NOW = "try-now"


UNCHANGED = {
    QueueAction.PAUSE: "{} is already paused. Who paused it, and why, stays as it was.",
    QueueAction.RESUME: "{} is not paused.",
    QueueAction.TRY_NOW: "Nothing of {} waits for another attempt or for its customer.",
}
"""The sentence where an action changes nothing."""

ANSWER_SECONDS = 5
PREFIX = "cus_"
UNCONFIGURED = "DATABASE_URL is not set."


def is_customer_id(text: str) -> bool:
    """Tell whether a text can be a customer's id."""
    return text.startswith(PREFIX) and text != PREFIX and is_object_id(text)


@dataclass(frozen=True, slots=True)
class ActionResult:
    """Whether anything was changed; `unrecorded` says why the action was not recorded, None where it was."""

    changed: bool
    unrecorded: str | None = None


class QueueActions:
    """Pauses, resumes and retries waiting events; without a store nothing is recorded.

    Everything raises MailboxUnavailable, and then nothing was recorded.
    """

    def __init__(self, mailboxes: Mailboxes, store: Store | None) -> None:
        self._mailboxes = mailboxes
        self._store = store

    def pause(self, customer_id: CustomerId | None, *, who: str, why: str = "") -> ActionResult:
        """Pause one customer, or all; no change where they are paused already."""
        changed = runtime.run(self._mailboxes.pause(customer_id, who=who, why=why))
        return self._recorded(Action.PAUSE, customer_id, changed=changed, who=who, why=why)

    def resume(self, customer_id: CustomerId | None, *, who: str, why: str = "") -> ActionResult:
        """End a pause; no change where there is none."""
        changed = runtime.run(self._mailboxes.resume(customer_id))
        return self._recorded(Action.RESUME, customer_id, changed=changed, who=who, why=why)

    def try_now(self, customer_id: CustomerId, *, who: str, why: str = "") -> ActionResult:
        """Have events of a customer tried now that would be retried later, or that wait for the customer's own event."""
        changed = runtime.run(self._mailboxes.replay(customer_id))
        return self._recorded(Action.TRY_NOW, customer_id, changed=changed, who=who, why=why)

    def do(self, action: QueueAction, customer_id: CustomerId | None, *, who: str, why: str) -> ActionResult:
        """Do one of these to a customer, or pause or resume everything."""
        match action:
            case QueueAction.PAUSE:
                return self.pause(customer_id, who=who, why=why)
            case QueueAction.RESUME:
                return self.resume(customer_id, who=who, why=why)
            case QueueAction.TRY_NOW:
                return self.try_now(customer_id or CustomerId(""), who=who, why=why)
            case _:
                assert_never(action)

    def is_known(self, customer_id: CustomerId) -> bool | None:
        """Tell whether anything here is about a customer; None where that cannot be read now."""
        mailbox = runtime.run(self._mailboxes.view(customer_id))
        if mailbox.has_events:
            return True
        if self._store is None:
            return None
        try:
            with friendly_errors():
                return bool(
                    runtime.run(self._store.history.whose(customer_id), timeout_seconds=ANSWER_SECONDS)
                )
        except Failure:
            return None

    def _recorded(
        self, action: Action, customer_id: CustomerId | None, *, changed: bool, who: str, why: str
    ) -> ActionResult:
        if not changed:
            return ActionResult(changed=False)
        if self._store is None:
            return ActionResult(changed=True, unrecorded=UNCONFIGURED)
        record = self._store.activity.record(who=who, action=action, about=customer_id, why=why)
        try:
            with friendly_errors():
                runtime.run(record, timeout_seconds=ANSWER_SECONDS)
        except Failure as failure:
            return ActionResult(changed=True, unrecorded=failure.message)
        return ActionResult(changed=True)
