"""The missed-event sweep: events that Stripe lists and that never came, brought in through the same put.

Walks Stripe's list of events in slices of time, the oldest first, whether their webhooks were delivered or
not. The watermark moves to a slice's end once everything in it is in the ledger, or in a mailbox and written
down as awaited. So a crash costs no more than a slice; and when Redis is wiped later, the next sweep begins at the oldest
awaited event that has vanished.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from cogento.events.envelope import parse_envelope
from cogento.events.errors import RejectedError
from cogento.events.fence import is_placeholder
from cogento.events.kinds import KINDS
from cogento.events.outcomes import Source
from cogento.reconcile.enqueue import QueueFullError
from cogento.store.progress import BEFORE_ALL_EVENTS, ListedEvent
from cogento.store.refetches import SnapshotEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.fence import Fence
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.enqueue import Enqueuer
    from cogento.reconcile.stripe import Stripe
    from cogento.store.store import Store

log = structlog.get_logger()

TYPES = tuple(type_ for kind in KINDS for type_ in kind.types)
"""Every event type whose object has a table."""

DELETIONS = frozenset(kind.deletion for kind in KINDS)

TYPES_AT_ONCE = 20
"""How many event types one request to Stripe may list."""

DAY_SECONDS = 24 * 3600
REACH_SECONDS = 30 * DAY_SECONDS
"""How far back Stripe lists events."""

OVERLAP_SECONDS = 600
"""How far before the watermark a sweep begins: Stripe may list an event later than its second."""

POLL_OVERLAP_SECONDS = 60
"""The same where events are polled. Stripe promises no bound; other readers of this list saw seconds, and allow 5 to 60."""

AWAITED_AT_ONCE = 1000
MAX_AWAITED = 10_000
"""With so many events that are awaited and not yet applied a sweep stops: the workers are behind."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep has done: from which Unix second to which, how far it has come, and how many events it listed and found missing.

    Missing are those that were neither in the ledger nor in a mailbox; `refused` are those whose mailbox is full.
    """

    since: int
    until: int
    at: int
    listed: int = 0
    missing: int = 0
    refused: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it listed its whole time."""
        return self.at >= self.until

    @property
    def share(self) -> float:
        """How much of its time is done, from 0 to 1."""
        return 1.0 if self.is_whole else (self.at - self.since) / (self.until - self.since)


@dataclass(frozen=True, slots=True)
class _Brought:
    """Of a page: events that were neither waiting already nor told of by a thin event, and those whose mailbox is full."""

    missing: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepScope:
    """What a sweep lists: from how far before the watermark, until how long ago, and whether it replaces webhooks.

    Where it does, no event that it finds counts as missed.
    """

    grace_seconds: int
    overlap_seconds: int = OVERLAP_SECONDS
    replaces_webhooks: bool = False


class EventSweep:
    """Sweeps; the caller must hold the leader lease. Raises what Stripe, Redis and Postgres raise, and loses nothing then.

    A full mailbox holds up no other: everything is listed, but the watermark stays before the first event that found no room.
    """

    def __init__(
        self, stripe: Stripe, store: Store, mailboxes: Mailboxes, enqueuer: Enqueuer, *, fence: Fence
    ) -> None:
        self._stripe = stripe
        self._fence = fence
        self._sweeps = store.sweeps
        self._backfills = store.backfills
        self._notices = store.refetches
        self._mailboxes = mailboxes
        self._enqueuer = enqueuer

    async def run(self, scope: SweepScope, *, report: Callable[[Swept], object]) -> Swept:
        """Sweep as the scope says. Raises QueueFullError at the end if a mailbox was full."""
        now = await self._stripe.api.now()
        since = await self._beginning(now, scope.overlap_seconds)
        swept = Swept(since=since, until=max(now - scope.grace_seconds, since), at=since)
        slices = Slices(swept.until)
        while not swept.is_whole and await self._has_room():
            swept = await self._sweep_slice(swept, slices, scope)
            report(swept)
        if swept.is_whole:
            await (
                self._sweeps.finish()
            )  # also with a full mailbox: the next one lists the same again, and costs as much
        if not scope.replaces_webhooks:  # a poll runs every few seconds
            log.info("sweep_ended", whole=swept.is_whole, listed=swept.listed, missing=swept.missing)
        if swept.refused:
            raise QueueFullError(f"{swept.refused} events do not fit into mailboxes that are full")
        return swept

    async def _beginning(self, now: int, overlap_seconds: int) -> int:
        """Begin before the watermark, and before whatever was awaited and has vanished."""
        oldest = now - REACH_SECONDS
        watermark = (await self._sweeps.status()).watermark
        if watermark is None:
            return oldest
        vanished = await self._vanished(oldest)
        begins = min([watermark - overlap_seconds, *(event.created for event in vanished)])
        if begins < oldest:
            log.error("sweep_gap_exceeds_stripe_retention", days=(now - begins) // DAY_SECONDS)
            await self._backfills.outdate()  # before the watermark, which alone shows the gap, advances
        return max(begins, oldest)

    async def _vanished(self, oldest: int) -> list[ListedEvent]:
        """Find awaited events that are no longer in a mailbox and were not settled; forget the settled ones."""
        vanished: list[ListedEvent] = []
        last = BEFORE_ALL_EVENTS
        while awaited := await self._sweeps.awaited(after=last, limit=AWAITED_AT_ONCE):
            vanished += await self._vanished_of(awaited, oldest)
            last = awaited[-1]
        return vanished

    async def _vanished_of(self, awaited: Sequence[ListedEvent], oldest: int) -> list[ListedEvent]:
        unsettled = await self._sweeps.unsettled(awaited)
        settled = {event.event_id for event in awaited} - {event.event_id for event in unsettled}
        gone = [event for event in unsettled if await self._mailboxes.find(event.event_id) is None]
        vanished = await self._sweeps.unsettled(
            gone
        )  # an event that left its mailbox a moment ago is settled
        lost = {event.event_id for event in vanished if event.created < oldest}
        await self._sweeps.forget(settled | lost)
        return vanished

    async def _has_room(self) -> bool:
        has_room = (await self._sweeps.status()).awaited < MAX_AWAITED
        if not has_room:
            log.warning("sweep_waits_for_workers", awaited=MAX_AWAITED)
        return has_room

    async def _sweep_slice(self, swept: Swept, slices: Slices, scope: SweepScope) -> Swept:
        before = slices.end_after(swept.at)
        pages = 0
        async for page in self._pages(swept.at, before):
            brought, pages = await self._bring(page, scope), pages + 1
            swept = replace(
                swept,
                listed=swept.listed + len(page),
                missing=swept.missing + brought.missing,
                refused=swept.refused + brought.refused,
            )
        if not swept.refused:
            await self._sweeps.advance(before)
        parts = len(range(0, len(TYPES), TYPES_AT_ONCE))
        slices.adapt(pages - parts + 1)  # each part has a page, even an empty one
        return replace(swept, at=before)

    async def _pages(self, since: int, before: int) -> AsyncIterator[Sequence[Envelope]]:
        for first in range(0, len(TYPES), TYPES_AT_ONCE):
            types = TYPES[first : first + TYPES_AT_ONCE]
            after_id, has_more = None, True
            while has_more:
                page = await self._stripe.api.events(types, since=since, before=before, after_id=after_id)
                after_id, has_more = page.last_id, page.has_more
                opened = [envelope for body in page.objects if (envelope := _opened(body, page.at))]
                yield [envelope for envelope in opened if self._is_ours(envelope)]

    def _is_ours(self, envelope: Envelope) -> bool:
        """Tell whether the fence lets in an event that was listed, as the receiver's would."""
        reason = self._fence.why_not_asked(envelope)
        if reason is not None:
            log.warning("swept_event_fenced", event_id=envelope.event_id, reason=reason)
        return reason is None and not is_placeholder(envelope)

    async def _bring(self, envelopes: Sequence[Envelope], scope: SweepScope) -> _Brought:
        """Put events that the ledger does not have into mailboxes, unless an answer of Stripe's replaces them."""
        unsettled = await self._unsettled(envelopes)
        coverage = await self._notices.coverage([_snapshot(one) for one in unsettled])
        if coverage.replaced:  # an earlier sweep may have brought them, to a mailbox that was emptied
            await self._sweeps.forget(coverage.replaced)
        wanted = [one for one in unsettled if one.event_id not in coverage.replaced]
        if not wanted:
            return _Brought()
        put = await self._enqueuer.put_what_fits(wanted, source=Source.SWEEP)
        missing = len(put.new - coverage.told)
        awaited = [
            ListedEvent(one.event_id, one.created) for one in wanted if one.event_id not in put.refused
        ]
        await self._sweeps.note(missing=0 if scope.replaces_webhooks else missing, awaited=awaited)
        return _Brought(missing, len(put.refused))

    async def _unsettled(self, envelopes: Sequence[Envelope]) -> list[Envelope]:
        seen = [ListedEvent(envelope.event_id, envelope.created) for envelope in envelopes]
        ids = {event.event_id for event in await self._sweeps.unsettled(seen)}
        return [envelope for envelope in envelopes if envelope.event_id in ids]


class Slices:
    """How much time is listed at once: less after a slice of many pages, more after an empty one."""

    LENGTHS = (60, 300, 3600, DAY_SECONDS)
    MANY_PAGES = 20

    def __init__(self, until: int) -> None:
        self._until = until
        self._length = 2

    def end_after(self, second: int) -> int:
        """The end of the slice that begins at a second."""
        return min(second + self.LENGTHS[self._length], self._until)

    def adapt(self, pages: int) -> None:
        """Adapt the length to the number of pages that the last slice filled."""
        if pages > self.MANY_PAGES:
            self._length = max(self._length - 1, 0)
        elif pages <= 1:
            self._length = min(self._length + 1, len(self.LENGTHS) - 1)


def _opened(body: bytes, now: int) -> Envelope | None:
    try:
        return parse_envelope(body, now=now)
    except RejectedError as error:
        log.warning("swept_event_refused", code=error.code)
        return None


def _snapshot(envelope: Envelope) -> SnapshotEvent:
    return SnapshotEvent(
        envelope.event_id, envelope.object_id, envelope.created, deletes=envelope.type in DELETIONS
    )
