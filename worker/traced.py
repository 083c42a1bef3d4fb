"""The worker loop with traces: each event's trace continues from the receiver, and each batch has one of its own.

An event's trace shows how long it waited and what became of it. The batch's trace links to those of its events, and shows claim,
transaction and settlement, which many events share.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

from cogento.tracing import CUSTOMER_ID, EVENT_ID, OUTCOME, Link, SpanKind, begin, span, unpack
from worker.batch import BatchProcessor
from worker.loop import WorkerLoop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.events.names import EventId
    from cogento.queue.claims import Claim, Settlement
    from cogento.store.ledger import BatchResult, Delivery
    from cogento.tracing import Attributes, Span
    from worker.batch import ProcessedClaim
    from worker.decode import DecodedBatch

_NS_PER_MS = 1_000_000

_claiming: ContextVar[tuple[int, int]] = ContextVar("claiming")
"""When this loop's claim began and ended."""
_events: ContextVar[Mapping[EventId, Span]] = ContextVar("events")
"""The spans of the events that this loop is processing."""


class TracedLoop(WorkerLoop):
    """A WorkerLoop whose batches and events have spans. A claim that finds nothing has none."""

    async def _claim(self) -> Claim | None:
        begun_ns = time.time_ns()
        claim = await super()._claim()
        _claiming.set((begun_ns, time.time_ns()))
        return claim

    async def _process(self, claim: Claim) -> None:
        begun_ns, claimed_ns = _claiming.get()
        traced = {
            queued.event_id: (unpack(queued.trace), batch.customer_id, queued)
            for batch in claim.batches
            for queued in batch.events
            if queued.trace
        }
        size = {
            "cogento.customers": len(claim.batches),
            "cogento.events": sum(len(batch.events) for batch in claim.batches),
        }
        links = [Link(context) for context, _, _ in traced.values()]
        with span("process batch", size, kind=SpanKind.CONSUMER, links=links, begun_ns=begun_ns) as batch:
            begin("claim", begun_ns=begun_ns).end(claimed_ns)
            events = {}
            for event_id, (context, customer_id, queued) in traced.items():
                # Both by Redis's clock, which may differ from this machine's.
                waiting = begin("wait in mailbox", within=context, begun_ns=queued.received_ms * _NS_PER_MS)
                waiting.end(claim.claimed_ms * _NS_PER_MS)
                named: Attributes = {
                    EVENT_ID: event_id,
                    CUSTOMER_ID: customer_id,
                    "cogento.attempts": queued.attempts,
                }
                link = Link(batch.get_span_context())
                events[event_id] = begin(
                    "process event", named, within=context, kind=SpanKind.CONSUMER, links=[link]
                )
            _events.set(events)
            try:
                await super()._process(claim)
            finally:
                for event in events.values():
                    event.end()

    async def _settle(self, claim: Claim, settlements: Sequence[Settlement]) -> None:
        with span("settle", {"cogento.customers": len(settlements)}):
            await super()._settle(claim, settlements)


class TracedProcessor(BatchProcessor):
    """A BatchProcessor whose transactions have spans, and which records in each event's span what became of it."""

    async def process(self, batches: Sequence[DecodedBatch]) -> ProcessedClaim:
        """As BatchProcessor.process."""
        processed = await super().process(batches)
        for event_id, event in _events.get().items():
            if result := processed.results.get(event_id):
                event.set_attributes({OUTCOME: result.outcome, "cogento.reason": result.reason or ""})
        return processed

    async def _write(self, deliveries: Sequence[Delivery]) -> BatchResult:
        with span("apply", {"cogento.events": len(deliveries)}):
            return await super()._write(deliveries)
