"""What a worker does for each class of failure: docs/retries.md, row by row, with a database that fails on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import asyncpg
import pytest
from structlog.testing import capture_logs

from cogento.events.errors import (
    DependencyUnavailableError,
    OtherReleaseError,
    PermanentError,
    TransientError,
)
from cogento.events.event import read_event
from cogento.events.letters import LetterReason
from cogento.events.names import CustomerId
from cogento.events.outcomes import Outcome, Reason, Result, Source, decided
from cogento.queue.claims import CustomerBatch, FailedAttempt, QueuedEvent
from cogento.retries import FailureClass
from cogento.store.errors import code_of
from cogento.store.ledger import BatchResult, Delivery
from tests.support.builders import NOW, Json, customer, event_body, subscription
from worker.batch import BatchProcessor, DatabaseAwayError
from worker.decode import decode_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.store.dead_letters import DeadLetter
    from cogento.store.store import Store
    from worker.batch import ProcessedClaim

NOW_MS = NOW * 1000
DAY_MS = 24 * 3600 * 1000
GOOD = decided(Reason.NEWER)


@dataclass
class FailingStore:
    """Applies every event but evt_1, which raises; `later_too` lets everything raise."""

    error: Exception
    later_too: bool = False
    dead_letters: list[DeadLetter] = field(default_factory=list)
    calls: int = 0

    async def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        self.calls += 1
        ids = [delivery.event.id for delivery in deliveries]
        if self.later_too or "evt_1" in ids:
            raise self.error
        return BatchResult(dict.fromkeys(ids, GOOD), frozenset())

    async def insert_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        self.dead_letters += letters


def waiting(id_: str, *, attempts: int = 0, first_ms: int | None = None) -> QueuedEvent:
    return waiting_of(id_, "customer.updated", customer(), attempts=attempts, first_ms=first_ms)


def waiting_of(
    id_: str, type_: str, object_: Json, *, attempts: int = 0, first_ms: int | None = None
) -> QueuedEvent:
    body = event_body(type_, object_, id_=id_)
    event = read_event(body)
    return QueuedEvent(event.id, body, NOW_MS, Source.WEBHOOK, attempts, first_ms)


async def now_ms() -> int:
    return NOW_MS


def process(
    store: FailingStore, *events: QueuedEvent, jitter: float = 0.5, crashes: int = 0
) -> ProcessedClaim:
    """Process one customer's events."""
    processor = BatchProcessor(cast("Store", store), now_ms=now_ms, jitter=lambda: jitter)
    return asyncio.run(processor.process([decode_batch(CustomerBatch(CustomerId("cus_1"), events, crashes))]))


def after(store: FailingStore, *, attempts: int, first_ms: int | None = NOW_MS) -> ProcessedClaim:
    """A claim with one event that has failed so often before."""
    return process(store, waiting("evt_1", attempts=attempts, first_ms=first_ms))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        DependencyUnavailableError("away"),
        asyncpg.ConnectionDoesNotExistError("lost"),
        asyncpg.ReadOnlySQLTransactionError("standby"),
        asyncpg.DiskFullError("full"),
        asyncpg.TooManyConnectionsError("full"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_infrastructure_gives_everything_back_and_blames_nobody(error: Exception) -> None:
    store = FailingStore(error)
    with pytest.raises(DatabaseAwayError) as caught:
        process(store, waiting("evt_1"), waiting("evt_2"))
    assert caught.value.error is error
    assert (store.calls, store.dead_letters) == (1, [])


def test_a_deletion_and_the_customer_s_own_events_wait_for_no_other_that_fails() -> None:
    plan = subscription("sub_1", customer="cus_1")
    failing = waiting_of("evt_1", "customer.subscription.updated", plan)
    own = waiting_of("evt_2", "customer.updated", customer())
    more = waiting_of("evt_3", "customer.subscription.updated", plan)
    end = waiting_of("evt_4", "customer.deleted", customer())
    store = FailingStore(TransientError("later"))
    (settled,) = process(store, failing, own, more, end).settlements
    assert (settled.done, [one.event_id for one in settled.failed]) == (("evt_4", "evt_2"), ["evt_1"])


def test_without_a_deletion_what_fails_keeps_the_rest_waiting_in_order() -> None:
    store = FailingStore(TransientError("later"))
    (settled,) = process(store, waiting("evt_1"), waiting("evt_2")).settlements
    assert (settled.done, [one.event_id for one in settled.failed]) == ((), ["evt_1"])


@pytest.mark.parametrize(
    "error",
    [TransientError("later"), asyncpg.QueryCanceledError("slow"), asyncpg.SerializationError("again")],
    ids=lambda error: type(error).__name__,
)
def test_transient_keeps_its_place_and_its_customer_waits(error: Exception) -> None:
    store = FailingStore(error)
    (settlement,) = process(store, waiting("evt_1"), waiting("evt_2")).settlements
    assert settlement.failed == (
        FailedAttempt(waiting("evt_1").event_id, 1, NOW_MS, "transient", code_of(error)),
    )
    assert (settlement.done, settlement.postponed_until_ms) == ((), NOW_MS + 500)


def test_transient_is_given_up_after_a_day_and_ten_attempts() -> None:
    store = FailingStore(TransientError("later"))
    after(store, attempts=9, first_ms=NOW_MS - DAY_MS)
    assert [(letter.reason, letter.attempts) for letter in store.dead_letters] == [("gave_up", 10)]


@pytest.mark.parametrize(("attempts", "age_ms"), [(8, 2 * DAY_MS), (1000, DAY_MS - 1)])
def test_transient_is_not_given_up_before(attempts: int, age_ms: int) -> None:
    store = FailingStore(TransientError("later"))
    after(store, attempts=attempts, first_ms=NOW_MS - age_ms)
    assert store.dead_letters == []


def test_transient_waits_at_least_as_long_as_the_other_side_asked_for() -> None:
    store = FailingStore(TransientError("slow down", retry_after_seconds=30))
    (settlement,) = after(store, attempts=0).settlements
    assert settlement.postponed_until_ms == NOW_MS + 30_500


@pytest.mark.parametrize(("attempts", "first_ms"), [(0, None), (9, NOW_MS - 30 * DAY_MS)])
def test_what_another_release_must_apply_waits_and_spends_no_attempt(
    attempts: int, first_ms: int | None
) -> None:
    store = FailingStore(OtherReleaseError("newer"))
    (settlement,) = after(store, attempts=attempts, first_ms=first_ms).settlements
    kept = FailedAttempt(waiting("evt_1").event_id, attempts, first_ms, "other_release", "OtherReleaseError")
    assert (settlement.failed, settlement.done, store.dead_letters) == ((kept,), (), [])
    assert settlement.postponed_until_ms == NOW_MS + 15_000


def test_what_another_release_must_apply_holds_back_only_its_customers_later_events() -> None:
    store = FailingStore(OtherReleaseError("newer"))
    processed = process(store, waiting("evt_0"), waiting("evt_1"), waiting("evt_2"))
    assert processed.settlements[0].done == ("evt_0",)
    assert processed.results == {
        "evt_0": GOOD,
        "evt_1": Result(Outcome.RETRY_AT, FailureClass.OTHER_RELEASE, attempts=0),
    }
    assert processed.settlements[0].postponed_until_ms == NOW_MS + 15_000


@pytest.mark.parametrize(
    ("jitter", "attempts", "delay_ms"), [(0.0, 7, 0), (0.5, 3, 4000), (0.999, 60, 299_700)]
)
def test_transient_waits_with_full_jitter(jitter: float, attempts: int, delay_ms: int) -> None:
    event = waiting("evt_1", attempts=attempts, first_ms=NOW_MS)
    processed = process(FailingStore(TransientError("later")), event, jitter=jitter)
    assert processed.results == {
        "evt_1": Result(Outcome.RETRY_AT, FailureClass.TRANSIENT, attempts=attempts + 1)
    }
    assert processed.settlements[0].postponed_until_ms == NOW_MS + delay_ms


@pytest.mark.parametrize(
    "error",
    [
        PermanentError(LetterReason.MALFORMED, "no"),
        asyncpg.NotNullViolationError("no"),
        asyncpg.ForeignKeyViolationError("no"),
        asyncpg.CheckViolationError("no"),
        asyncpg.DataError("no"),
        asyncpg.UntranslatableCharacterError("no"),
        asyncpg.StatementTooComplexError("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_permanent_is_a_dead_letter_at_once_and_its_customer_goes_on(error: Exception) -> None:
    store = FailingStore(error)
    result = process(store, waiting("evt_1"), waiting("evt_2"))
    assert [(letter.event_id, letter.attempts) for letter in store.dead_letters] == [("evt_1", 1)]
    assert result.settlements[0].done == ("evt_1", "evt_2")
    assert (result.settlements[0].failed, result.settlements[0].postponed_until_ms) == ((), None)


@pytest.mark.parametrize("error", [KeyError("x"), AttributeError("x"), AssertionError("x")])
def test_a_bug_is_tried_five_times_within_a_minute(error: Exception) -> None:
    store = FailingStore(error)
    waits = [after(store, attempts=attempts).settlements[0].postponed_until_ms for attempts in range(4)]
    assert sum(until_ms - NOW_MS for until_ms in waits if until_ms) <= 60_000
    assert store.dead_letters == []


def test_after_five_times_a_bug_is_a_dead_letter_and_its_customer_goes_on() -> None:
    store = FailingStore(KeyError("x"))
    result = process(store, waiting("evt_1", attempts=4, first_ms=NOW_MS), waiting("evt_2"))
    assert [(letter.reason, letter.attempts) for letter in store.dead_letters] == [("bug", 5)]
    assert result.results == {"evt_1": Result(Outcome.DEAD, LetterReason.BUG, code="KeyError"), "evt_2": GOOD}


def test_what_kills_workers_is_a_dead_letter_with_the_fourth_crash_untried_and_its_customer_goes_on() -> None:
    store = FailingStore(KeyError("x"))
    (settlement,) = process(store, waiting("evt_1"), waiting("evt_2"), crashes=4).settlements
    assert [(letter.reason, letter.starts) for letter in store.dead_letters] == [("crashed_worker", 4)]
    assert (settlement.done, store.calls) == (("evt_1",), 0)


@pytest.mark.parametrize(("attempts", "alarms"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_a_statement_that_is_too_slow_three_times_is_reported(attempts: int, alarms: int) -> None:
    with capture_logs() as logs:
        after(FailingStore(asyncpg.QueryCanceledError("slow")), attempts=attempts)
    assert [line["event"] for line in logs].count("statements_too_slow") == alarms


class SilentStore(FailingStore):
    """Never answers."""

    async def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:  # noqa: ARG002 - as FailingStore
        never: asyncio.Future[BatchResult] = asyncio.get_running_loop().create_future()
        return await never


def test_a_batch_that_postgres_never_answers_is_given_up_and_costs_nobody_an_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.batch.BATCH_SECONDS", 0.01)
    with pytest.raises(DatabaseAwayError):
        process(SilentStore(KeyError()), waiting("evt_1"))
