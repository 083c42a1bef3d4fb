"""Putting Stripe's answers into customer queues, as webhooks are: the same put, the same order, the same ledger."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.envelope import parse_envelope
from cogento.events.fetched import fetched_event_body
from cogento.queue.claims import PutResult
from cogento.stripe.api import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.names import EventId
    from cogento.events.outcomes import Source
    from cogento.queue.mailboxes import Mailboxes
    from cogento.stripe.requests import StripeAnswer


class QueueFullError(Exception):
    """A customer's queue is full; events that were not queued must be put again later."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of a put, by ids of events: `new` were not waiting already, `refused` are not queued, because a queue is full."""

    new: frozenset[EventId] = frozenset()
    refused: frozenset[EventId] = frozenset()


@dataclass(frozen=True, slots=True)
class Enqueuer:
    """Puts envelopes into their customers' queues; `wake_workers` sends a wake-up, blocks and never raises."""

    mailboxes: Mailboxes
    wake_workers: Callable[[], object]

    async def put(self, envelopes: Sequence[Envelope], *, source: Source) -> None:
        """Put envelopes; raises QueueFullError if any queue is full."""
        if (await self.put_what_fits(envelopes, source=source)).refused:
            raise QueueFullError("a mailbox is full")

    async def put_what_fits(self, envelopes: Sequence[Envelope], *, source: Source) -> Enqueued:
        """Put envelopes into the queues that are not full."""
        if not envelopes:
            return Enqueued()
        puts = await self.mailboxes.put(envelopes, source=source)
        if any(put.needs_wakeup for put in puts):
            await asyncio.to_thread(self.wake_workers)
        results = [(envelope.event_id, put.result) for envelope, put in zip(envelopes, puts, strict=True)]
        return Enqueued(
            new=frozenset(event_id for event_id, result in results if result is PutResult.QUEUED),
            refused=frozenset(event_id for event_id, result in results if result is PutResult.FULL),
        )


def fetched_envelope(answer: StripeAnswer) -> Envelope:
    """Make an envelope of a fetched object; raises PermanentError or RejectedError for what has no table."""
    body = fetched_event_body(answer.body, fetched_at=answer.at, api_version=API_VERSION)
    return parse_envelope(body, now=answer.at)
