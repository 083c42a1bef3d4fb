"""Mailboxes and what goes into them, with defaults, so that a test shows only what matters to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.envelope import Envelope
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.queue.claims import Settlement
from cogento.queue.clock import RedisClock

if TYPE_CHECKING:
    from cogento.queue.claims import Claim
    from tests.support.looped import LoopedMailboxes

START_MS = 1_760_000_000_000


@dataclass
class ManualClock(RedisClock):
    """A clock that only the test moves."""

    ms: int = START_MS

    async def now_ms(self) -> int:
        return self.ms


def envelope(
    id_: str = "evt_1",
    *,
    customer: str = "cus_a",
    second: int = 0,
    content: str = "one",
    api_version: str = "v",
    pending_webhooks: int = 1,
    padding: str = "",
) -> Envelope:
    """An event of a customer, `second` seconds after a fixed one."""
    created = START_MS // 1000 + second
    body = (
        f'{{"id": "{id_}", "type": "customer.updated", "created": {created}, "api_version": "{api_version}", '
        f'"data": {{"object": {{"id": "{customer}"}}, "is": "{content}{padding}"}}, '
        f'"pending_webhooks": {pending_webhooks}}}'
    )
    return Envelope(
        event_id=EventId(id_),
        type="customer.updated",
        created=created,
        livemode=False,
        account=None,
        object_id=ObjectId(customer),
        customer_id=CustomerId(customer),
        body=body.encode(),
    )


def claim(
    mailboxes: LoopedMailboxes,
    *,
    max_customers: int = 10,
    max_events: int = 100,
    lease_seconds: float = 10,
    max_customer_events: int = 50,
) -> Claim:
    """Claim events that must be there."""
    claimed = mailboxes.claim(
        max_customers=max_customers,
        max_events=max_events,
        lease_seconds=lease_seconds,
        max_customer_events=max_customer_events,
    )
    assert claimed is not None, "no event was ready"
    return claimed


def is_idle(mailboxes: LoopedMailboxes) -> bool:
    """Claim, and say whether nothing was ready."""
    return mailboxes.claim(max_customers=10, max_events=100, lease_seconds=10) is None


def taken(claimed: Claim) -> dict[str, list[str]]:
    """Return what a claim holds: event ids in order, by customer."""
    return {batch.customer_id: [waiting.event_id for waiting in batch.events] for batch in claimed.batches}


def all_done(claimed: Claim) -> list[Settlement]:
    """Return settlements that mark everything of a claim as done."""
    return [
        Settlement(batch.customer_id, done=tuple(waiting.event_id for waiting in batch.events))
        for batch in claimed.batches
    ]


def ids(*names: str) -> tuple[EventId, ...]:
    """Event ids."""
    return tuple(EventId(name) for name in names)
