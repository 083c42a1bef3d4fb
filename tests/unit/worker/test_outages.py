"""A worker's own copy of the circuit, over the real Lua: when it asks, when it probes, how it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest

from cogento import runtime
from cogento.queue.circuit import Circuit, CircuitDecision, Dependency
from tests.support.fake_redis import FakeRedis, client_on
from tests.support.looped import looped
from tests.support.mailbox_builders import ManualClock
from worker.outages import LocalCircuit

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED = ConnectionRefusedError("refused")
CUT = asyncpg.ConnectionDoesNotExistError("cut")


@dataclass
class Postgres:
    """What a probe finds."""

    is_away: bool = False
    probes: int = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.is_away:
            raise REFUSED


class CountedCircuit(Circuit):
    """Counts how often it is asked."""

    asked = 0

    async def ask(self) -> CircuitDecision:
        self.asked += 1
        return await super().ask()


class Worker:
    """What a worker's loop asks of its copy of the circuit."""

    def __init__(self, circuit: Circuit, postgres: Postgres) -> None:
        self.looped = LocalCircuit(circuit, probe=postgres.probe, jitter=lambda: 0.5)

    may_claim = looped(LocalCircuit.may_claim)
    failed = looped(LocalCircuit.failed)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def circuit(clock: ManualClock) -> CountedCircuit:
    server = client_on(FakeRedis())
    return CountedCircuit(server, clock, tag="{cogento:0}", dependency=Dependency.POSTGRES)


@pytest.fixture
def postgres() -> Postgres:
    return Postgres()


@pytest.fixture
def make_worker(circuit: Circuit, postgres: Postgres) -> Callable[[], Worker]:
    """Make one more worker on the same circuit, whose pauses are half of the longest."""
    return lambda: Worker(circuit, postgres)


def fail(*workers: Worker, at: ManualClock, error: Exception = REFUSED) -> None:
    """Work that these began now has failed."""
    for worker in workers:
        worker.failed(error, begun_ms=at.ms)


def test_while_all_is_well_nobody_is_asked(circuit: CountedCircuit, postgres: Postgres) -> None:
    worker = Worker(circuit, postgres)
    assert all(worker.may_claim() for _ in range(100))
    assert (circuit.asked, postgres.probes) == (0, 0)


def test_a_single_cut_connection_stops_nobody(make_worker: Callable[[], Worker], clock: ManualClock) -> None:
    worker = make_worker()
    fail(worker, at=clock, error=CUT)
    assert worker.may_claim()


def test_five_cut_connections_of_any_workers_stop_them(
    make_worker: Callable[[], Worker], clock: ManualClock
) -> None:
    workers = [make_worker() for _ in range(5)]
    fail(*workers, at=clock, error=CUT)
    assert [worker.may_claim() for worker in workers] == [False] * 5


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        asyncpg.ReadOnlySQLTransactionError("standby"),
        asyncpg.CannotConnectNowError("starting up"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_proof_of_absence_stops_at_once(
    make_worker: Callable[[], Worker], clock: ManualClock, error: Exception
) -> None:
    worker = make_worker()
    fail(worker, at=clock, error=error)
    assert not worker.may_claim()


def test_one_of_many_workers_probes(
    make_worker: Callable[[], Worker], clock: ManualClock, postgres: Postgres
) -> None:
    workers = [make_worker() for _ in range(8)]
    postgres.is_away = True
    fail(*workers, at=clock)
    clock.ms += 500
    assert [worker.may_claim() for worker in workers] == [False] * 8
    assert postgres.probes == 1


def test_probes_become_rarer_up_to_half_a_minute(
    make_worker: Callable[[], Worker], clock: ManualClock, postgres: Postgres
) -> None:
    worker = make_worker()
    postgres.is_away = True
    fail(worker, at=clock)
    assert [seconds_to_probe(worker, clock, postgres) for _ in range(9)] == [
        *(0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
    ]


def seconds_to_probe(worker: Worker, clock: ManualClock, postgres: Postgres) -> float:
    """Look every 100 ms until there is a probe."""
    began, probes = clock.ms, postgres.probes
    while postgres.probes == probes:
        clock.ms += 100
        worker.may_claim()
    return (clock.ms - began) / 1000


def test_after_an_outage_workers_come_back_one_two_four_and_not_all_at_once(
    make_worker: Callable[[], Worker], clock: ManualClock
) -> None:
    workers = [make_worker() for _ in range(12)]
    fail(*workers, at=clock)
    clock.ms += 500
    assert [second_of(workers, clock) for _ in range(5)] == [1, 2, 4, 8, 12]


def second_of(workers: list[Worker], clock: ManualClock) -> int:
    """How many workers take events by the end of another second in which all look twice."""
    came = {id(worker) for _ in range(2) for worker in workers if worker.may_claim()}
    clock.ms += 1000
    return len(came)


def test_f28_ten_minutes_away_cost_a_probe_each_half_minute_of_one_worker_and_an_orderly_return(
    make_worker: Callable[[], Worker], clock: ManualClock, postgres: Postgres, circuit: CountedCircuit
) -> None:
    workers = [make_worker() for _ in range(12)]
    postgres.is_away = True
    fail(*workers, at=clock)
    assert {second_of(workers, clock) for _ in range(600)} == {0}
    assert 600 / 30 <= postgres.probes <= 600 / 10
    assert circuit.asked - postgres.probes <= len(workers) * 601
    postgres.is_away = False
    came = [second_of(workers, clock) for _ in range(30)]
    assert [taking for taking in came if taking][:5] == [1, 2, 4, 8, 12]


def test_a_failure_while_they_come_back_stops_those_who_wait(
    make_worker: Callable[[], Worker], clock: ManualClock
) -> None:
    first, second = make_worker(), make_worker()
    fail(first, second, at=clock)
    clock.ms += 500
    assert first.may_claim()
    fail(first, at=clock)
    clock.ms += 400
    assert not second.may_claim()


def test_what_fails_again_and_again_although_probes_succeed_is_tried_more_and_more_rarely(
    make_worker: Callable[[], Worker], clock: ManualClock, postgres: Postgres
) -> None:
    worker = make_worker()
    fail(worker, at=clock)
    assert [seconds_to_work_again(worker, clock) for _ in range(6)] == [0.5, 0.5, 1.0, 2.0, 4.0, 8.0]


def seconds_to_work_again(worker: Worker, clock: ManualClock) -> float:
    """Wait until it takes events, and let that fail."""
    seconds = seconds_until_let_in(worker, clock)
    fail(worker, at=clock)
    return seconds


def seconds_until_let_in(worker: Worker, clock: ManualClock) -> float:
    began = clock.ms
    while not worker.may_claim():
        clock.ms += 100
    return (clock.ms - began) / 1000


def test_long_after_an_outage_the_next_one_is_probed_soon(
    make_worker: Callable[[], Worker], clock: ManualClock, circuit: Circuit, postgres: Postgres
) -> None:
    worker = make_worker()
    fail(worker, at=clock)
    [seconds_to_work_again(worker, clock) for _ in range(6)]
    seconds_until_let_in(worker, clock)
    clock.ms += 60_000
    runtime.run(circuit._server.ask("DEL", "{cogento:0}:circuit:postgres"))  # its time is up
    fail(worker, at=clock)
    assert seconds_to_probe(worker, clock, postgres) == 0.5
