"""The worker's periodic task for customers who are paused and deleted in Stripe: a pause does not delay an erasure.

The deletion is applied without the queue, together with the customer's own waiting events, which no longer change anything.
Events that were applied leave the mailbox, with their bytes; those of subscriptions and other objects stay paused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from cogento.events.errors import PermanentError
from cogento.events.event import read_stored_event
from cogento.events.kinds import CUSTOMER
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.waiting import MAX_CUSTOMERS, WaitingState
from cogento.retries import FailureClass
from cogento.store.errors import classify
from cogento.store.ledger import Delivery
from worker.decode import is_deletion

if TYPE_CHECKING:
    from cogento.events.names import CustomerId
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.status import Listed
    from cogento.store.store import Store

log = structlog.get_logger()

LEADER = "paused deletions"


class PausedDeletions:
    """Looks through the first events of paused customers; a crash at any point is safe, as with every redelivery."""

    def __init__(self, store: Store, mailboxes: Mailboxes) -> None:
        self._store = store
        self._mailboxes = mailboxes

    async def run(self) -> None:
        """Apply the deletions of paused customers, unless another worker is doing so.

        A customer whose deletion fails holds up no other; the first failure is raised at the end. What Redis or Postgres raise
        while they are away ends the round.
        """
        paused = await self._mailboxes.waiting(WaitingState.PAUSED, limit=MAX_CUSTOMERS)
        holding = [row.customer_id for row in paused.rows if row.events]
        lease = await self._store.try_leader_lease(LEADER) if holding else None
        if lease is None:
            return
        failures: list[Exception] = []
        try:
            for customer_id in holding:
                try:
                    await self._look(customer_id)
                except (MailboxUnavailable, MemoryError):
                    raise
                except Exception as error:
                    if classify(error) is FailureClass.INFRASTRUCTURE:
                        raise
                    log.warning("paused_deletion_failed", customer_id=customer_id, exc_info=error)
                    failures.append(error)
        finally:
            await lease.end()
        if failures:
            raise failures[0]

    async def _look(self, customer_id: CustomerId) -> None:
        mailbox = await self._mailboxes.view(customer_id)
        listed = {one.event_id: one for one in mailbox.waiting}
        bodies = await self._mailboxes.search.bodies(customer_id, list(listed))
        own = [
            delivery
            for event_id, body in bodies.items()
            if (delivery := _delivery_of_own(customer_id, listed[event_id], body)) is not None
        ]
        if not own or not (any(map(is_deletion, own)) or await self._is_deleted(customer_id)):
            return
        await self._store.apply(own)
        for delivery in own:
            await self._mailboxes.remove(customer_id, delivery.event.id)
        log.info("paused_deletion_applied", customer_id=customer_id, events=len(own))

    async def _is_deleted(self, customer_id: CustomerId) -> bool:
        row = await self._store.history.customer(customer_id)
        return row is not None and row.deleted_at is not None


def _delivery_of_own(customer_id: CustomerId, listed: Listed, body: bytes) -> Delivery | None:
    """Read an event about the customer itself; None for any other, and for one that will become a dead letter."""
    try:
        event = read_stored_event(body)
    except PermanentError:
        return None
    is_own = event.kind is CUSTOMER and (event.customer_id, event.id) == (customer_id, listed.event_id)
    if not is_own or listed.source is None or listed.received_ms is None:
        return None
    return Delivery(event, listed.received_ms, listed.attempts, listed.source)
