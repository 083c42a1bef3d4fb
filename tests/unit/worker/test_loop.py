from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import pytest

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.outcomes import Reason, decided
from cogento.queue.circuit import Dependency
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.retries import MAX_LINGER_MS
from cogento.store.ledger import BatchResult
from tests.support.builders import customer, event_body
from tests.support.fake_redis import FakeRedis, client_on
from worker.batch import BatchProcessor
from worker.heartbeat import WorkerHeartbeat
from worker.loop import BatchLinger, BatchSize, Turn, Wakeups, WorkerLoop
from worker.outages import Backoff, LocalCircuit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.events.names import CustomerId
    from cogento.queue.claims import Claim, Settlement
    from cogento.store.ledger import Delivery
    from cogento.store.store import Store

PATIENCE = 5


async def waited(wakeups: Wakeups) -> None:
    """Wait for a wake-up, which must come."""
    async with asyncio.timeout(PATIENCE):
        await wakeups.wait(2 * PATIENCE)


def test_a_wakeup_while_every_loop_is_busy_ends_the_next_wait() -> None:
    async def scenario() -> None:
        wakeups = Wakeups()
        wakeups.wake()
        await waited(wakeups)

    asyncio.run(scenario())


def test_wakeups_while_busy_end_one_wait() -> None:
    async def scenario() -> set[asyncio.Task[None]]:
        wakeups = Wakeups()
        wakeups.wake()
        wakeups.wake()
        await waited(wakeups)
        another = asyncio.create_task(wakeups.wait(PATIENCE))
        ended, _ = await asyncio.wait({another}, timeout=0.1)
        another.cancel()
        return ended

    assert asyncio.run(scenario()) == set()


def test_a_wakeup_ends_the_wait_of_one_loop() -> None:
    async def scenario() -> int:
        wakeups = Wakeups()
        waits = [asyncio.create_task(wakeups.wait(PATIENCE)) for _ in range(2)]
        await asyncio.sleep(0)
        wakeups.wake()
        done, idle = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in idle:
            one.cancel()
        return len(done)

    assert asyncio.run(scenario()) == 1


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def linger(clock: Clock) -> BatchLinger:
    return BatchLinger(clock=clock)


def test_the_first_claim_waits_for_nothing(linger: BatchLinger) -> None:
    assert linger.seconds_left() <= 0


def test_events_gather_for_longer_the_more_there_were(linger: BatchLinger) -> None:
    linger.claimed(50, is_full=False)

    assert linger.seconds_left() == pytest.approx(0.1)


def test_events_never_gather_for_long(linger: BatchLinger) -> None:
    linger.claimed(499, is_full=False)

    assert linger.seconds_left() == pytest.approx(MAX_LINGER_MS / 1000)


def test_the_time_that_a_batch_takes_counts(linger: BatchLinger, clock: Clock) -> None:
    linger.claimed(50, is_full=False)

    clock.now += 0.1

    assert linger.seconds_left() == pytest.approx(0)


def test_a_full_claim_is_followed_by_another_at_once(linger: BatchLinger) -> None:
    linger.claimed(500, is_full=True)

    assert linger.seconds_left() <= 0


def test_a_small_claim_of_one_loop_does_not_cut_the_other_ones_rest(linger: BatchLinger) -> None:
    linger.claimed(100, is_full=False)
    linger.claimed(1, is_full=False)

    assert linger.seconds_left() == pytest.approx(0.2)


class Interrupted(Mailboxes):
    """Mailboxes on a server that settles nothing of the customers in `away`, as if another server had those.

    Without `has_time` it does not tell the time to those who ask for nothing else.
    """

    def __init__(self) -> None:
        super().__init__(client_on(FakeRedis()))
        self.away: set[str] = set()
        self.has_time = True

    async def now_ms(self) -> int:
        if not self.has_time:
            raise MailboxUnavailable("Redis: TimeoutError")
        return await super().now_ms()

    async def settle(self, claim: Claim, settlements: Sequence[Settlement]) -> frozenset[CustomerId]:
        if self.away.intersection(one.customer_id for one in settlements):
            raise MailboxUnavailable("Redis: TimeoutError")
        return await super().settle(claim, settlements)


class Applying:
    """A store that applies everything; `meanwhile` happens before each commit."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    async def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        self.meanwhile()
        ids = [delivery.event.id for delivery in deliveries]
        self.applied += ids
        return BatchResult(dict.fromkeys(ids, decided(Reason.NEWER)), frozenset())


class Work:
    """A loop between mailboxes and a store, one turn after the other."""

    def __init__(self) -> None:
        self.mailboxes = mailboxes = Interrupted()
        self.store = Applying()
        self.loop = WorkerLoop(
            mailboxes,
            BatchProcessor(cast("Store", self.store), now_ms=mailboxes.now_ms, jitter=lambda: 0.5),
            circuit=LocalCircuit(
                mailboxes.circuit(Dependency.POSTGRES), probe=mailboxes.now_ms, jitter=lambda: 0.5
            ),
            backoff=Backoff(clock=time.monotonic, jitter=lambda: 0.5),
            size=BatchSize(customers=1, events=10, lease_seconds=3600),
            on_ambiguous=lambda _: None,
            heartbeat=WorkerHeartbeat(
                mailboxes.workers,
                worker="w",
                version="1",
                shards=1,
                now_ms=mailboxes.now_ms,
                clock=time.monotonic,
            ),
            linger=BatchLinger(clock=time.monotonic),
        )

    async def put(self, *customers: str) -> None:
        for name in customers:
            body = event_body("customer.updated", customer(name), id_=f"evt_{name}")
            await self.mailboxes.put([parse_envelope(body, now=ANY_TIME)])

    async def turns(self, number: int) -> list[Turn]:
        return [await self.loop.take_turn() for _ in range(number)]


def test_a_batch_that_cannot_be_settled_stops_no_other_customers_events() -> None:
    async def scenario() -> list[str]:
        work = Work()
        work.mailboxes.away = {"cus_a"}
        await work.put("cus_a")
        await work.turns(1)
        await work.put("cus_b")
        await work.turns(1)
        return work.store.applied

    assert asyncio.run(scenario()) == ["evt_cus_a", "evt_cus_b"]


def test_a_batch_that_cannot_be_settled_yet_keeps_no_other_one_from_it() -> None:
    async def scenario() -> int:
        work = Work()
        work.mailboxes.away = {"cus_a", "cus_b"}
        await work.put("cus_a", "cus_b")
        await asyncio.gather(work.turns(1), work.turns(1))
        work.mailboxes.away = {"cus_a"}
        await work.turns(1)
        return (await work.mailboxes.status()).leased

    assert asyncio.run(scenario()) == 1


def test_a_batch_that_could_not_be_settled_is_once_its_server_is_back() -> None:
    async def scenario() -> tuple[int, list[str], bool]:
        work = Work()
        work.mailboxes.away = {"cus_a"}
        await work.put("cus_a")
        await work.turns(3)
        work.mailboxes.away.clear()
        await work.turns(1)
        return (
            (await work.mailboxes.status()).waiting,
            work.store.applied,
            work.loop.has_pending_acks,
        )

    assert asyncio.run(scenario()) == (0, ["evt_cus_a"], False)


def test_a_batch_in_which_the_time_could_not_be_read_is_given_back_and_processed_again() -> None:
    async def scenario() -> tuple[int, list[str]]:
        work = Work()

        def go_away() -> None:
            work.mailboxes.has_time = False

        work.store.meanwhile = go_away
        await work.put("cus_a")
        await work.turns(1)
        work.store.meanwhile = lambda: None
        work.mailboxes.has_time = True
        await work.turns(1)
        return (await work.mailboxes.status()).waiting, work.store.applied

    assert asyncio.run(scenario()) == (0, ["evt_cus_a", "evt_cus_a"])
