"""Decoding claimed events: stored bytes become events, and what cannot be read becomes a dead letter.

The customer of an event is read again from its signed body, not taken from the mailbox that held it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import Event, read_stored_event
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.letters import MESSAGES, LetterReason
from cogento.events.outcomes import Source
from cogento.store.ledger import Delivery

if TYPE_CHECKING:
    from cogento.events.fence import Fence
    from cogento.events.names import CustomerId
    from cogento.queue.claims import CustomerBatch, QueuedEvent


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A waiting event that can never be applied, and why."""

    queued: QueuedEvent
    error: PermanentError


class DecodedBatch(msgspec.Struct, frozen=True):
    """One customer's events of a claim: what can be applied, oldest first, and what can only be a dead letter."""

    claimed: CustomerBatch
    deliveries: tuple[Delivery, ...]
    unreadable: tuple[Unreadable, ...]


SUSPECT_CRASHES = 2
"""From this many crashes on, a customer's events are applied one at a time, so that the one that kills workers is found."""


def decode_batch(batch: CustomerBatch, fence: Fence | None = None) -> DecodedBatch:
    """Read the claimed events of one customer; after SUSPECT_CRASHES only the oldest."""
    deliveries: list[Delivery] = []
    unreadable: list[Unreadable] = []
    for queued in batch.events[: 1 if batch.crashes >= SUSPECT_CRASHES else None]:
        try:
            if fence is not None and queued.source is Source.RETRY:
                _check_fence(queued, fence)
            deliveries.append(_deliver(queued, batch.customer_id))
        except PermanentError as error:
            unreadable.append(Unreadable(queued, error))
    return DecodedBatch(batch, tuple(deliveries), tuple(unreadable))


def is_deletion(delivery: Delivery) -> bool:
    """Tell whether an event says that its customer is deleted."""
    event = delivery.event
    return isinstance(event, Event) and isinstance(event.columns, CustomerColumns) and event.columns.deleted


def _deliver(queued: QueuedEvent, customer_id: CustomerId) -> Delivery:
    event = read_stored_event(queued.body)
    if event.customer_id != customer_id:
        raise PermanentError(LetterReason.MISROUTED, "the event belongs to another customer's mailbox")
    if event.id != queued.event_id:
        raise PermanentError(LetterReason.MISROUTED, "the event was stored under another event's id")
    return Delivery(event, queued.received_ms, queued.attempts, queued.source, queued.body)


def _check_fence(queued: QueuedEvent, fence: Fence) -> None:
    """Check a retried dead letter again: settings may have changed since it came; all other events were checked when they were put."""
    with suppress(RejectedError):  # reading the whole event later says what is wrong
        reason = fence.why_not_asked(parse_envelope(queued.body, now=ANY_TIME))
        if reason is not None:
            raise PermanentError(LetterReason.FENCED, MESSAGES[LetterReason.FENCED])
