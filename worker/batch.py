"""One claim's decoded events: applied together, and halved on failure until the failing one is alone.

What Postgres does with each event becomes its settlement in the queue. An event that fails costs the others no attempt. Knows no
SQL and no Redis commands.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from msgspec import structs

from cogento.events.kinds import CUSTOMER
from cogento.events.outcomes import PARKED, Outcome, Result
from cogento.queue.claims import FailedAttempt, Settlement
from cogento.reporting import report
from cogento.retries import PARKING, POLICIES, FailureClass, next_delay, spent
from cogento.store.errors import classify, code_of, ran_out_of_time
from worker.dead_letters import crash_letter, failed_letter, orphan_letter, unreadable_letter
from worker.decode import is_deletion

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cogento.events.names import EventId, ObjectId
    from cogento.store.dead_letters import DeadLetter
    from cogento.store.ledger import BatchResult, Delivery
    from cogento.store.store import Store
    from worker.decode import DecodedBatch

log = structlog.get_logger()

BATCH_SECONDS = 300.0
"""After so long Postgres counts as away: many times as long as its own time-outs let a batch take."""

TOO_SLOW_ATTEMPTS = 3
"""From so many attempts on, an event whose statements take too long is reported: the query may need to be fixed."""

CRASHES_LIMIT = int(POLICIES[FailureClass.CRASHED_WORKER].attempts_limit)


class DatabaseAwayError(Exception):
    """Postgres is away: no event's fault. The claim is released as it is, and no attempt is spent."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


@dataclass(frozen=True, slots=True)
class ProcessedClaim:
    """The settlements, what became of each event, and the objects whose rows are unsure."""

    settlements: tuple[Settlement, ...]
    results: Mapping[EventId, Result]
    unsure: frozenset[ObjectId]


@dataclass(slots=True)
class CustomerProgress:
    """What is known so far of one customer's events."""

    batch: DecodedBatch
    results: dict[EventId, Result] = field(default_factory=dict)
    failed: list[FailedAttempt] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    unsure: set[ObjectId] = field(default_factory=set)
    has_row: bool = False
    wake_ms: int | None = None

    def pending(self) -> list[Delivery]:
        """Return the events that have no outcome yet, oldest first."""
        return [d for d in self.batch.deliveries if d.event.id not in self.results]

    def record(self, result: BatchResult) -> None:
        """Note the results of a transaction for this customer's events."""
        for event in (delivery.event for delivery in self.batch.deliveries):
            if event.id in result.results:
                self.results[event.id] = result.results[event.id]
            if event.object_id in result.unsure:
                self.unsure.add(event.object_id)
        self.has_row = self.has_row or self.batch.claimed.customer_id in result.customers

    def give_up(self, letter: DeadLetter) -> None:
        """Make an event a dead letter."""
        self.letters.append(letter)
        code = letter.failure_code or letter.message
        self.results[letter.event_id] = Result(Outcome.DEAD, letter.reason, code=code)

    def settlement(self) -> Settlement:
        """Return how this customer's events are settled in the queue."""
        return Settlement(
            customer_id=self.batch.claimed.customer_id,
            done=tuple(id_ for id_, result in self.results.items() if result.is_final),
            parked=tuple(id_ for id_, result in self.results.items() if result.outcome is Outcome.PARKED),
            failed=tuple(self.failed),
            released=self.has_row,
            postponed_until_ms=self.wake_ms,
        )


class BatchProcessor:
    """Takes decoded events to their outcomes. `now_ms` is the queue's clock; `jitter` is uniform in [0, 1)."""

    def __init__(
        self, store: Store, *, now_ms: Callable[[], Awaitable[int]], jitter: Callable[[], float]
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._jitter = jitter

    async def process(self, batches: Sequence[DecodedBatch]) -> ProcessedClaim:
        """Apply what can be applied, make dead letters of what never can, and say what became of each event.

        When it returns everything final is committed. Raises DatabaseAwayError when Postgres is away.
        """
        customers = [CustomerProgress(batch) for batch in batches]

        for customer in customers:
            claimed = customer.batch.claimed
            for one in customer.batch.unreadable:
                customer.give_up(unreadable_letter(claimed, one.queued, one.error))
            if claimed.crashes >= CRASHES_LIMIT and customer.batch.deliveries:
                customer.give_up(crash_letter(claimed, claimed.events[0]))

        await self._apply(customers)

        longest_ago = await self._now_ms() - int(PARKING.limit_seconds * 1000)
        for customer in customers:
            for queued in customer.batch.claimed.events:
                is_parked = customer.results.get(queued.event_id) == PARKED
                if is_parked and queued.received_ms < longest_ago:
                    customer.give_up(orphan_letter(customer.batch.claimed, queued))

        await self._insert_dead_letters([customer for customer in customers if customer.letters])
        return ProcessedClaim(
            settlements=tuple(customer.settlement() for customer in customers),
            results={id_: result for customer in customers for id_, result in customer.results.items()},
            unsure=frozenset().union(*(customer.unsure for customer in customers)),
        )

    async def _apply(self, customers: Sequence[CustomerProgress]) -> None:
        """Apply many customers' events at once; on failure each half by itself, down to single events."""
        deliveries = [delivery for customer in customers for delivery in customer.pending()]
        if not deliveries:
            return
        try:
            result = await self._write(deliveries)
        except Exception as error:  # noqa: BLE001 - every failure has a class
            failure = _classify(error)
            middle = len(customers) // 2
            if middle:
                await self._apply(customers[:middle])
                await self._apply(customers[middle:])
            elif len(deliveries) > 1:
                await self._apply_one_by_one(customers[0])
            else:
                await self._fail(customers[0], deliveries[0], failure, error)
        else:
            for customer in customers:
                customer.record(result)

    async def _write(self, deliveries: Sequence[Delivery]) -> BatchResult:
        async with asyncio.timeout(BATCH_SECONDS):
            return await self._store.apply(deliveries)

    async def _apply_one_by_one(self, customer: CustomerProgress) -> None:
        """Apply one event at a time, oldest first, until one has to wait.

        The customer's deletion is applied before all others, with the customer's own events after it: it is final wherever it
        stands in the order, and it erases data that another, failing event would otherwise keep for a day.
        """
        pending = customer.pending()
        if any(map(is_deletion, pending)):
            pending.sort(key=lambda one: (not is_deletion(one), one.event.kind is not CUSTOMER))
        for delivery in pending:
            try:
                customer.record(await self._write([delivery]))
            except Exception as error:  # noqa: BLE001 - as above
                await self._fail(customer, delivery, _classify(error), error)
            if customer.failed:
                return

    async def _fail(
        self, customer: CustomerProgress, delivery: Delivery, failure: FailureClass, error: Exception
    ) -> None:
        """Have an event that failed alone tried again later, or make it a dead letter."""
        claimed = customer.batch.claimed
        queued = next(one for one in claimed.events if one.event_id == delivery.event.id)
        if failure is FailureClass.OTHER_RELEASE:
            tried, first_ms = queued.attempts, queued.first_attempt_ms
            await self._postpone(
                customer, FailedAttempt(queued.event_id, tried, first_ms, failure, code_of(error))
            )
            return
        attempts, first_ms = queued.attempts + 1, queued.first_attempt_ms or await self._now_ms()
        if failure is FailureClass.BUG and attempts == 1:
            report(error)
        if failure is FailureClass.PERMANENT or spent(
            failure, attempts, (await self._now_ms() - first_ms) / 1000
        ):
            last = structs.replace(queued, attempts=attempts, first_attempt_ms=first_ms)
            customer.give_up(failed_letter(claimed, last, failure, error))
            return
        if ran_out_of_time(error) and attempts >= TOO_SLOW_ATTEMPTS:
            log.error("statements_too_slow", event_id=queued.event_id, attempts=attempts)
        await self._postpone(
            customer,
            FailedAttempt(queued.event_id, attempts, first_ms, failure, code_of(error)),
            retry_after=getattr(error, "retry_after_seconds", None),
        )

    async def _postpone(
        self, customer: CustomerProgress, failed: FailedAttempt, *, retry_after: float | None = None
    ) -> None:
        """Leave an event in its place, and have its customer wait, for at least `retry_after` seconds."""
        failure = FailureClass(failed.error_class)
        delay = next_delay(failure, failed.attempts, jitter=self._jitter(), retry_after=retry_after)
        customer.failed.append(failed)
        customer.results[failed.event_id] = Result(Outcome.RETRY_AT, failure, attempts=failed.attempts)
        customer.wake_ms = await self._now_ms() + int(delay * 1000)

    async def _insert_dead_letters(self, customers: Sequence[CustomerProgress]) -> None:
        """Insert all dead letters in one transaction; when that fails, each customer's by themselves.

        An event whose dead letter cannot be inserted stays in the queue, in its place.
        """
        if not customers:
            return
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                await self._store.insert_dead_letters([letter for one in customers for letter in one.letters])
        except Exception as error:  # noqa: BLE001 - as above
            failure = _classify(error)
            if len(customers) > 1:
                for customer in customers:
                    await self._insert_dead_letters([customer])
            else:
                await self._keep_in_queue(customers[0], failure, error)

    async def _keep_in_queue(
        self, customer: CustomerProgress, failure: FailureClass, error: Exception
    ) -> None:
        log.error("dead_letters_not_written", letters=len(customer.letters), failure=failure, exc_info=error)
        for letter in customer.letters:
            first_ms = letter.first_attempt_ms or await self._now_ms()
            await self._postpone(
                customer,
                FailedAttempt(letter.event_id, letter.attempts + 1, first_ms, FailureClass.TRANSIENT),
            )


def _classify(error: Exception) -> FailureClass:
    if isinstance(error, MemoryError):
        raise error  # no event's fault; a claim too large for memory counts as its worker's crash
    failure = classify(error)
    if failure is FailureClass.INFRASTRUCTURE:
        raise DatabaseAwayError(error) from error
    # Contention was tried again in place already; what is left of it has to wait.
    return FailureClass.TRANSIENT if failure is FailureClass.CONTENTION else failure
