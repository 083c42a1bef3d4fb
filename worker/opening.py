"""Opening claimed mail: stored bytes become events, and what cannot be read becomes a dead letter.

Whose an event is, is read again from its signed body, never believed from the mailbox it lay in.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import read_stored_event
from cogento.events.letters import MESSAGES, LetterReason
from cogento.queue.mail import Source
from cogento.store.delivery import Delivery

if TYPE_CHECKING:
    from cogento.events.event import Event, Notice
    from cogento.events.fence import Fence
    from cogento.events.names import CustomerId
    from cogento.queue.mail import Mail, Waiting


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One waiting event that can never become rows, and why."""

    waiting: Waiting
    error: PermanentError


class OpenedMail(msgspec.Struct, frozen=True):
    """One customer's turn: what can be applied, oldest first, and what can only be buried."""

    mail: Mail
    deliveries: tuple[Delivery, ...]
    unreadable: tuple[Unreadable, ...]


SUSPECT_CRASHES = 2
"""From so many crashes on a customer's events are taken one a turn, so that the killer is found."""


def open_mail(mail: Mail, fence: Fence | None = None) -> OpenedMail:
    """Read the events of one customer's turn; of a suspect's mail only the head is taken.

    Letters that are put back are held against the fence: settings may have changed since they came in.
    """
    deliveries: list[Delivery] = []
    unreadable: list[Unreadable] = []
    for waiting in mail.waiting[: 1 if mail.crashes >= SUSPECT_CRASHES else None]:
        try:
            _check_fence(waiting, fence)
            deliveries.append(_deliver(waiting, mail.customer_id))
        except PermanentError as error:
            unreadable.append(Unreadable(waiting, error))
    return OpenedMail(mail, tuple(deliveries), tuple(unreadable))


def _deliver(waiting: Waiting, customer_id: CustomerId) -> Delivery:
    event = read_stored_event(waiting.body)
    _check_address(event, waiting, customer_id)
    return Delivery(event, waiting.received_ms, waiting.attempts, waiting.source)


def _check_fence(waiting: Waiting, fence: Fence | None) -> None:
    """What came by another way was held against it when it came in."""
    if fence is None or waiting.source is not Source.RETRY:
        return
    with suppress(RejectedError):  # whoever reads it whole says what is wrong
        reason = fence.why_not_asked(parse_envelope(waiting.body, now=ANY_TIME))
        if reason is not None:
            raise PermanentError(LetterReason.FENCED, MESSAGES[LetterReason.FENCED])


def _check_address(event: Event | Notice, waiting: Waiting, customer_id: CustomerId) -> None:
    if event.customer_id != customer_id:
        raise PermanentError("misrouted", "the event belongs to another customer's mailbox")
    if event.id != waiting.event_id:
        raise PermanentError("misrouted", "the event was stored under another event's id")
