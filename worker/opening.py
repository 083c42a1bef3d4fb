"""Opening claimed mail: stored bytes become events, and what cannot be read becomes a dead letter.

Whose an event is, is read again from its signed body, never believed from the mailbox it lay in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from events.errors import PermanentError
from events.notice import read_mail
from schema.delivery import Delivery

if TYPE_CHECKING:
    from events.event import Event
    from events.names import CustomerId
    from events.notice import Notice
    from mailboxes.mail import Mail, Waiting


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


def open_mail(mail: Mail) -> OpenedMail:
    """Read the events of one customer's turn; of a suspect's mail only the head is taken."""
    deliveries: list[Delivery] = []
    unreadable: list[Unreadable] = []
    for waiting in mail.waiting[: 1 if mail.crashes >= SUSPECT_CRASHES else None]:
        try:
            deliveries.append(_deliver(waiting, mail.customer_id))
        except PermanentError as error:
            unreadable.append(Unreadable(waiting, error))
    return OpenedMail(mail, tuple(deliveries), tuple(unreadable))


def _deliver(waiting: Waiting, customer_id: CustomerId) -> Delivery:
    event = read_mail(waiting.body)
    _check_address(event, waiting, customer_id)
    return Delivery(event, waiting.received_ms, waiting.attempts, waiting.source)


def _check_address(event: Event | Notice, waiting: Waiting, customer_id: CustomerId) -> None:
    if event.customer_id != customer_id:
        raise PermanentError("misrouted", "the event belongs to another customer's mailbox")
    if event.id != waiting.event_id:
        raise PermanentError("misrouted", "the event was stored under another event's id")
