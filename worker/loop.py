"""The worker's loop: claim, decode, apply, settle, until no event is ready.

The order of these steps is the promise: an event is settled only after it was committed. After a crash anywhere the events are
claimed again, and the ledger calls committed ones duplicates. Knows neither SQL nor Redis commands.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cogento.accounts import working_for
from cogento.events.outcomes import Outcome, Reason
from cogento.failpoints import failpoint
from cogento.metrics.declarations import BATCHES
from cogento.queue.errors import MailboxUnavailable
from cogento.retries import WAKEUP_WINDOW_MS, linger_ms
from worker.batch import DatabaseAwayError
from worker.decode import SUSPECT_CRASHES, decode_batch
from worker.lease import Lease, ReleaseClaimError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from cogento.events.fence import Fence
    from cogento.events.names import ObjectId
    from cogento.queue.claims import Claim, Settlement
    from cogento.queue.mailboxes import Mailboxes
    from worker.batch import BatchProcessor
    from worker.heartbeat import WorkerHeartbeat
    from worker.outages import Backoff, LocalCircuit

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BatchSize:
    """What one claim may hold at most."""

    customers: int
    events: int
    lease_seconds: float


def warn_ambiguous(objects: Collection[ObjectId]) -> None:
    """Report unsure rows where Stripe cannot be asked: one warning for each object."""
    for object_id in sorted(objects):
        log.warning("row_ambiguous", object_id=object_id)


def note_ambiguous(objects: Collection[ObjectId]) -> None:
    """Report unsure rows where Stripe will be asked: they are found by the rows' own flag."""
    for object_id in sorted(objects):
        log.info("row_ambiguous", object_id=object_id)


class BatchLinger:
    """How long the next claim waits, so that events gather: a batch has a fixed cost (cogento/retries.py).

    All loops of a process share one, or each would claim what another leaves to gather. After a full claim more events are
    ready, so the next one does not wait. `clock` is monotonic.
    """

    def __init__(
        self, *, clock: Callable[[], float], together: Callable[[int], int] = lambda events: events
    ) -> None:
        """Make one; with several accounts, `together` turns what a claim found into what all accounts' claims found lately."""
        self._clock = clock
        self._together = together
        self._next = clock()

    def seconds_left(self) -> float:
        """Return how long to wait before the next claim; 0 or less: claim now."""
        return self._next - self._clock()

    def claimed(self, events: int, *, is_full: bool) -> None:
        """Note how much a claim has found."""
        rest = 0.0 if is_full else linger_ms(self._together(events)) / 1000
        self._next = max(self._next, self._clock() + rest)


class Wakeups:
    """Wake-ups for a process's loops: each ends the wait of one loop or, where all are busy, the next wait.

    So events that arrived between a loop's last claim and its wait do not wait for the next poll.
    """

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[None] = asyncio.Queue(maxsize=1)

    def wake(self) -> None:
        """Wake one loop; to be called in their event loop."""
        if self._waiting.empty():
            self._waiting.put_nowait(None)

    async def wait(self, longest_seconds: float) -> None:
        """Wait for a wake-up, but no longer than `longest_seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_seconds):
                await self._waiting.get()


class Turn(Enum):
    """The result of an attempt to process a batch."""

    PROCESSED = auto()
    """A batch was processed, or Redis did not answer; there may be more."""
    NOTHING = auto()
    BLOCKED = auto()
    """Postgres takes no writes for this account."""


class WorkerLoop:
    """Processes batch after batch of one account; several tasks of one event loop may run it at once.

    `on_ambiguous` is called after the commit with the objects whose rows are unsure; it must neither wait nor raise.
    """

    def __init__(
        self,
        mailboxes: Mailboxes,
        processor: BatchProcessor,
        *,
        circuit: LocalCircuit,
        backoff: Backoff,
        size: BatchSize,
        on_ambiguous: Callable[[Collection[ObjectId]], object],
        heartbeat: WorkerHeartbeat,
        linger: BatchLinger,
        fence: Fence | None = None,
        account: str | None = None,
        awake_ms: int = WAKEUP_WINDOW_MS,
    ) -> None:
        self.mailboxes = mailboxes
        self.linger = linger
        self.backoff = backoff
        self.heartbeat = heartbeat
        self._account = account
        self._awake_ms = awake_ms
        self._fence = fence
        self._processor = processor
        self._circuit = circuit
        self._size = size
        self._on_ambiguous = on_ambiguous
        self._pending_acks: list[Callable[[], Awaitable[object]]] = []
        self._is_stopping = False

    @property
    def has_pending_acks(self) -> bool:
        """Whether a claim is still to be settled or released, because Redis did not take that: the next turn tries again."""
        return bool(self._pending_acks)

    async def run(self) -> None:
        """Process batches until no event is ready, or something it needs is away.

        When cancelled, it claims no more and interrupts no step: a batch that is not done in a moment is released for the next
        worker.
        """
        batches = asyncio.create_task(self._process_ready())
        try:
            await asyncio.shield(batches)
        except asyncio.CancelledError:
            self.ask_to_stop()
            await asyncio.wait({batches})
            raise

    def ask_to_stop(self) -> None:
        """Claim no more, and release the batches that are not done in a moment."""
        self._is_stopping = True

    async def take_turn(self) -> Turn:
        """Process one batch, if there is one."""
        working_for.set(self._account)
        try:
            await self.heartbeat.beat()
            await self.flush_pending_acks()
            if not await self._circuit.may_claim():
                return Turn.BLOCKED
            claim = await self._claim()
            self.backoff.succeeded()
            if claim is None:
                return Turn.NOTHING
            await self._process(claim)
        except MailboxUnavailable as error:
            pause = self.backoff.failed()
            log.warning("mailboxes_unavailable", reason=str(error), retry_in_seconds=pause)
        return Turn.PROCESSED

    async def flush_pending_acks(self) -> None:
        """Send each once more, all at a time: of several servers one may be away, and the others' acks and events do not wait for it."""
        acks, self._pending_acks = self._pending_acks, []  # another loop sends none of these meanwhile
        await asyncio.gather(*map(self._acknowledge_if_there, acks))

    async def _process_ready(self) -> None:
        while self.backoff.is_over() and not self._is_stopping:
            if (left := self.linger.seconds_left()) > 0:
                await asyncio.sleep(left)
            elif await self.take_turn() is not Turn.PROCESSED:
                return

    async def _claim(self) -> Claim | None:
        size = self._size
        claim = await self.mailboxes.claim(
            max_customers=size.customers,
            max_events=size.events,
            lease_seconds=size.lease_seconds,
            awake_ms=self._awake_ms,
        )
        if claim is not None:
            events = sum(len(batch.events) for batch in claim.batches)
            is_full = events >= size.events or len(claim.batches) >= size.customers
            # Of a customer at whom workers crashed one event is applied now, however many were claimed: the others wait already.
            is_suspect = any(batch.crashes >= SUSPECT_CRASHES for batch in claim.batches)
            self.linger.claimed(events, is_full=is_full or is_suspect)
        return claim

    async def _process(self, claim: Claim) -> None:
        """Decode, apply and settle a claim."""
        failpoint("after_claim", claim)
        decoded = [decode_batch(batch, self._fence) for batch in claim.batches]

        lease = Lease(claim, self.mailboxes, is_stopping=lambda: self._is_stopping)
        try:
            processed = await lease.hold(self._processor.process(decoded))
        except ReleaseClaimError as reason:
            BATCHES.count("released")
            log.warning("batch_released", customers=len(decoded), exc_info=reason)
            await self._acknowledge(partial(self.mailboxes.release, claim))
            return
        except DatabaseAwayError as away:
            BATCHES.count("database_away")
            log.warning("database_away", exc_info=away.error)
            await self._acknowledge(partial(self.mailboxes.release, claim))
            await self._circuit.failed(away.error, begun_ms=claim.claimed_ms)
            return
        except MailboxUnavailable:  # for the time; what was committed is in the ledger
            BATCHES.count("released")
            self._pending_acks.append(partial(self.mailboxes.release, claim))
            raise
        self._on_ambiguous(processed.unsure)

        failpoint("before_settle", claim)
        await self._acknowledge(partial(self._settle, claim, processed.settlements))
        failpoint("after_settle", claim)

        BATCHES.count("settled")
        await self.heartbeat.settled(decoded, processed.settlements)
        # A thin event is counted by its reason: no row was written for it yet.
        results = processed.results
        words = (Reason.ASKED if one.reason is Reason.ASKED else one.outcome for one in results.values())
        log.info("batch_settled", **Counter[str](words))
        for event_id, result in results.items():
            if result.outcome is Outcome.DEAD:
                log.warning("event_dead_lettered", event_id=event_id, reason=result.reason, why=result.code)
            elif result.outcome is Outcome.RETRY_AT:
                log.warning(
                    "event_postponed", event_id=event_id, failure=result.reason, attempts=result.attempts
                )

    async def _settle(self, claim: Claim, settlements: Sequence[Settlement]) -> None:
        lost = await self.mailboxes.settle(claim, settlements)
        if lost:
            log.warning("leases_lost", customers=len(lost))

    async def _acknowledge(self, ack: Callable[[], Awaitable[object]]) -> None:
        """Settle or release a claim; where Redis does not take that, it is sent again before the next claim.

        Otherwise its customers would wait for their lease to end, and that would count as their worker's crash.
        """
        try:
            await ack()
        except MailboxUnavailable:
            self._pending_acks.append(ack)
            raise

    async def _acknowledge_if_there(self, ack: Callable[[], Awaitable[object]]) -> None:
        with suppress(MailboxUnavailable):
            await self._acknowledge(ack)
