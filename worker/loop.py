"""The worker's loop: claim, decode, apply, settle, until no event is ready.

The order of these steps is the promise: what is settled was committed before. A crash anywhere means that the events
are claimed again, and the ledger calls them duplicates. Knows neither SQL nor Redis commands.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cogento.events.outcomes import Outcome, Reason
from cogento.failpoints import failpoint
from cogento.metrics.declarations import BATCHES
from cogento.queue.errors import MailboxUnavailable
from cogento.retries import linger_ms
from worker.batch import DatabaseAwayError
from worker.decode import decode_batch
from worker.lease import Lease, ReleaseClaimError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

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
    """Report rows whose last event is not known, where Stripe cannot be asked: one warning an object."""
    for object_id in sorted(objects):
        log.warning("row_ambiguous", object_id=object_id)


def note_ambiguous(objects: Collection[ObjectId]) -> None:
    """Report rows whose last event is not known, where Stripe will be asked: the rows' own flag leads there."""
    for object_id in sorted(objects):
        log.info("row_ambiguous", object_id=object_id)


class BatchLinger:
    """How long the next claim waits, so that events gather: a batch has a price of its own (cogento/retries.py).

    All loops of a process share one, or each would claim what another lets gather. A full claim left events that are
    ready, so the next one does not wait. `clock` is monotonic.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = clock()
        self._changing = threading.Lock()

    def seconds_left(self) -> float:
        """Return how long to wait before the next claim; not above 0: claim."""
        return self._next - self._clock()

    def claimed(self, events: int, *, is_full: bool) -> None:
        """Note how much a claim has found."""
        rest = 0.0 if is_full else linger_ms(events) / 1000
        with self._changing:
            self._next = max(self._next, self._clock() + rest)


class WorkerLoop:
    """Processes batch after batch; several threads may run it at once.

    `on_ambiguous` is called after the commit with the objects whose last event is not known; it must neither wait
    nor raise.
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
    ) -> None:
        self._fence = fence
        self._mailboxes = mailboxes
        self._processor = processor
        self._circuit = circuit
        self._backoff = backoff
        self._size = size
        self._on_ambiguous = on_ambiguous
        self._heartbeat = heartbeat
        self._linger = linger
        self._pending_acks: deque[Callable[[], object]] = deque()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Claim no more; a batch that is not done in a moment is released for the next worker."""
        self._stopping.set()

    def run(self) -> None:
        """Process batches until no event is ready, the worker stops, or something it needs is away."""
        while self._backoff.is_over() and not self._stopping.is_set():
            try:
                self._heartbeat.beat()
                self._flush_pending_acks()
                if not self._circuit.lets_through():
                    return
                while (left := self._linger.seconds_left()) > 0:
                    if self._stopping.wait(left):
                        return
                claim = self._claim()
                self._backoff.succeeded()
                if claim is None:
                    return
                self._process(claim)
            except MailboxUnavailable as error:
                pause = self._backoff.failed()
                log.warning("mailboxes_unavailable", reason=str(error), retry_in_seconds=pause)

    def _claim(self) -> Claim | None:
        size = self._size
        claim = self._mailboxes.claim(
            max_customers=size.customers, max_events=size.events, lease_seconds=size.lease_seconds
        )
        if claim is not None:
            events = sum(len(batch.events) for batch in claim.batches)
            is_full = events >= size.events or len(claim.batches) >= size.customers
            self._linger.claimed(events, is_full=is_full)
        return claim

    def _process(self, claim: Claim) -> None:
        """Decode, apply and settle a claim."""
        failpoint("after_claim", claim)
        decoded = [decode_batch(batch, self._fence) for batch in claim.batches]

        lease = Lease(claim, self._mailboxes, is_stopping=self._stopping.is_set)
        try:
            processed = self._processor.with_lease(lease.renew_if_due).process(decoded)
        except ReleaseClaimError as reason:
            BATCHES.count("released")
            log.warning("batch_released", customers=len(decoded), exc_info=reason)
            self._acknowledge(partial(self._mailboxes.release, claim))
            return
        except DatabaseAwayError as away:
            BATCHES.count("database_away")
            log.warning("database_away", exc_info=away.error)
            self._acknowledge(partial(self._mailboxes.release, claim))
            self._circuit.failed(away.error, begun_ms=claim.claimed_ms)
            return
        self._on_ambiguous(processed.unsure)

        failpoint("before_settle", claim)
        self._acknowledge(partial(self._settle, claim, processed.settlements))
        failpoint("after_settle", claim)

        BATCHES.count("settled")
        self._heartbeat.settled(decoded, processed.settlements)
        # A thin event is counted by its reason: nothing was written in its place yet.
        words = (Reason.ASKED if one.reason is Reason.ASKED else one.outcome for one in processed.results)
        log.info("batch_settled", **Counter[str](words))
        for result in processed.results:
            if result.outcome is Outcome.DEAD:
                log.warning("event_dead_lettered", reason=result.reason, why=result.code)
            elif result.outcome is Outcome.RETRY_AT:
                log.warning("event_postponed", failure=result.reason, attempts=result.attempts)

    def _settle(self, claim: Claim, settlements: Sequence[Settlement]) -> None:
        lost = self._mailboxes.settle(claim, settlements)
        if lost:
            log.warning("leases_lost", customers=len(lost))

    def _acknowledge(self, ack: Callable[[], object]) -> None:
        """Settle or release a claim; what Redis does not take is sent again before the next claim.

        Else its customers would wait for their lease to end, and that would count as their worker's crash.
        """
        try:
            ack()
        except MailboxUnavailable:
            self._pending_acks.append(ack)
            raise

    def _flush_pending_acks(self) -> None:
        with suppress(IndexError):  # there is none, or another loop sends it
            while True:
                self._acknowledge(self._pending_acks.popleft())


class LoopPool:
    """At most `slots` threads run the loop at once; a wake-up that finds them all busy makes one of them run again."""

    def __init__(self, run: Callable[[], None], *, slots: int) -> None:
        self._run = run
        self._slots = slots
        self._busy = 0
        self._woken_meanwhile = False
        self._changing = threading.Condition()

    def wake(self) -> None:
        """Run the loop until nothing is ready, or return at once when every slot already does so.

        Whoever is turned away leaves a mark under the lock, so that the last loop to finish runs once more: events
        that arrived between its last claim and its leaving do not wait for the next poll.
        """
        with self._changing:
            if self._busy >= self._slots:
                self._woken_meanwhile = True
                return
            self._busy += 1
        try:
            self._run()
            while not self._is_finished():
                self._run()
        except BaseException:
            with self._changing:
                self._free_slot()
            raise

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Wait until no loop runs; False when one still does after `timeout_seconds`."""
        with self._changing:
            return self._changing.wait_for(lambda: self._busy == 0, timeout_seconds)

    def _is_finished(self) -> bool:
        """Free the slot, unless somebody was turned away: reading the mark and freeing the slot are one step."""
        with self._changing:
            if self._woken_meanwhile:
                self._woken_meanwhile = False
                return False
            self._free_slot()
            return True

    def _free_slot(self) -> None:
        self._busy -= 1
        self._changing.notify_all()
