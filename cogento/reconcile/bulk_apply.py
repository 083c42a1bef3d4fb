"""Applying many objects that Stripe returned at once, without going through the customer queues.

Each object becomes an event and goes through the same transaction, locks, decision and ledger as queued events
(docs/decisions/0021). What cannot be applied at once is put into the queues, where a worker makes it a dead letter
or lets it wait for its customer.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cogento.events.envelope import parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import read_event
from cogento.events.fetched import fetched_event_body
from cogento.events.kinds import CUSTOMER, kind_of
from cogento.events.names import ObjectId
from cogento.events.outcomes import Outcome, Source
from cogento.retries import FailureClass
from cogento.store.errors import classify
from cogento.store.ledger import Delivery
from cogento.store.shared_transactions import SharedTransactions
from cogento.stripe.api import API_VERSION
from cogento.stripe.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.names import CustomerId
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.enqueue import Enqueuer
    from cogento.store.store import Store
    from cogento.stripe.api import StripeApi
    from cogento.stripe.requests import StripeAnswer

log = structlog.get_logger()

MAX_PARKED = 10_000

AppliedCounts = Counter[tuple[str, str]]
"""How many objects, by kind and by what became of them: a final Outcome, or ENQUEUED."""


@dataclass(frozen=True, slots=True)
class _Document:
    """One object as an event: the body for the mailboxes, the delivery for the store."""

    body: bytes
    delivery: Delivery


class BulkApplier:
    """Applies many objects under one source; for coroutines of one event loop."""

    def __init__(
        self, store: Store, api: StripeApi, mailboxes: Mailboxes, enqueuer: Enqueuer, *, source: Source
    ) -> None:
        self._transactions = SharedTransactions(store)
        self._api = api
        self._mailboxes = mailboxes
        self._enqueuer = enqueuer
        self._source = source

    async def apply(self, answers: Sequence[StripeAnswer]) -> AppliedCounts:
        """Write objects, or put them into the queues; when this returns, each is in the tables or in a queue.

        Raises what Stripe, Postgres and Redis raise while they are away.
        """
        counts: AppliedCounts = Counter()
        documents = [one for answer in answers if (one := await self._read(answer, counts))]
        orphans = await self._write(documents, counts)
        if orphans:
            customers = await self._customers_of(orphans, counts)
            left = await self._write([*customers, *orphans], counts)
            await self._enqueue([one.body for one in left], counts)
        return counts

    async def _read(self, answer: StripeAnswer, counts: AppliedCounts) -> _Document | None:
        """Read one object; one that cannot be read is left to a worker, which makes it a dead letter."""
        try:
            body = fetched_event_body(answer.body, fetched_at=answer.at, api_version=API_VERSION)
        except PermanentError as error:
            log.warning("stripe_answer_unreadable", exc_info=error)
            return None
        try:
            return _Document(body, Delivery(read_event(body), int(time.time() * 1000), 0, self._source, body))
        except PermanentError:
            await self._enqueue([body], counts)
            return None

    async def _write(self, documents: Sequence[_Document], counts: AppliedCounts) -> list[_Document]:
        """Write what can be written; returns objects whose customer has no row."""
        if not documents:
            return []
        try:
            result = await self._transactions.apply([one.delivery for one in documents])
        except Exception as error:
            if classify(error) is not FailureClass.PERMANENT:
                raise
            log.warning("objects_left_to_mailboxes", objects=len(documents), exc_info=error)
            await self._enqueue([one.body for one in documents], counts)
            return []
        for event in (one.delivery.event for one in documents):
            if (ended := result.results[event.id]).is_final:
                counts[event.kind.name, ended.outcome] += 1
        await self._wake_parked(result.customers)
        return [one for one in documents if result.results[one.delivery.event.id].outcome is Outcome.PARKED]

    async def _customers_of(self, orphans: Iterable[_Document], counts: AppliedCounts) -> list[_Document]:
        """Ask for customers that the list does not have: deleted ones, and those created after it was read."""
        wanted = sorted({one.delivery.event.customer_id for one in orphans})
        answers = await asyncio.gather(*map(self._customer, wanted))
        return [one for answer in answers if answer and (one := await self._read(answer, counts))]

    async def _customer(self, customer_id: CustomerId) -> StripeAnswer | None:
        try:
            return await self._api.fetch(CUSTOMER, ObjectId(customer_id))
        except StripeApiError as error:
            if not error.is_missing:
                raise
            log.warning("customer_unknown_to_stripe", customer_id=customer_id)
            return None

    async def _wake_parked(self, customers: frozenset[CustomerId]) -> None:
        """Have events that waited for these customers' rows tried now."""
        parked = await self._mailboxes.parked_customers(quiet_seconds=0, limit=MAX_PARKED)
        for customer_id in customers.intersection(parked):
            await self._mailboxes.replay(customer_id)

    async def _enqueue(self, bodies: Iterable[bytes], counts: AppliedCounts) -> None:
        """Put objects into the queues; raises QueueFullError when a queue is full."""
        envelopes = [envelope for body in bodies if (envelope := _opened(body))]
        await self._enqueuer.put(envelopes, source=Source.FETCH)
        counts.update((str(kind_of(envelope.type)), Outcome.ENQUEUED) for envelope in envelopes)


def _opened(body: bytes) -> Envelope | None:
    try:
        return parse_envelope(body, now=int(time.time()))
    except RejectedError as error:
        log.warning("stripe_answer_unreadable", exc_info=error)
        return None
