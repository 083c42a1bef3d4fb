"""The circuit that all workers share: when it opens, who probes, and how many come back at a time."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

import pytest

from cogento.queue.circuit import AskCode, Dependency, OpenCircuit
from cogento.retries import CIRCUIT
from tests.support.mailbox_builders import START_MS

if TYPE_CHECKING:
    import fakeredis

    from tests.support.looped import LoopedCircuit, LoopedMailboxes
    from tests.support.mailbox_builders import ManualClock


@pytest.fixture
def circuit(mailboxes: LoopedMailboxes) -> LoopedCircuit:
    return mailboxes.circuit(Dependency.POSTGRES)


def fail(circuit: LoopedCircuit, *, begun_ms: int = START_MS, limit: int = 5, probe_after: float = 2) -> bool:
    return circuit.failed("08006", begun_ms=begun_ms, errors_limit=limit, probe_after_seconds=probe_after)


def open_at_once(circuit: LoopedCircuit, *, probe_after: float = 2) -> None:
    assert fail(circuit, limit=1, probe_after=probe_after)


def recover(circuit: LoopedCircuit, clock: ManualClock) -> None:
    """Open it, and have the first probe succeed."""
    open_at_once(circuit)
    clock.ms += 2000
    assert circuit.ask().code is AskCode.PROBE
    circuit.probed(None, again_after_seconds=0)


def let_in(circuit: LoopedCircuit) -> int:
    """How many workers that ask now are let in before one has to wait."""
    answers = iter(lambda: circuit.ask().code, None)
    return len(list(takewhile(lambda code: code is AskCode.GO, answers)))


def let_in_and_wait(circuit: LoopedCircuit, clock: ManualClock) -> int:
    let = let_in(circuit)
    clock.ms += 1000
    return let


def test_while_all_is_well_everybody_goes_and_nothing_is_stored(
    circuit: LoopedCircuit, client: fakeredis.FakeRedis
) -> None:
    assert circuit.ask().code is AskCode.GO
    assert client.keys() == []


def test_the_fifth_failure_within_ten_seconds_opens_it(circuit: LoopedCircuit) -> None:
    assert [fail(circuit) for _ in range(5)] == [False, False, False, False, True]
    assert circuit.ask().code is AskCode.WAIT


def test_a_few_failures_are_forgotten_after_ten_seconds(
    circuit: LoopedCircuit, client: fakeredis.FakeRedis
) -> None:
    [fail(circuit) for _ in range(4)]
    assert client.pttl("{cogento:0}:circuit:postgres") == pytest.approx(10_000, abs=500)


def test_a_failure_that_says_enough_opens_it_at_once(circuit: LoopedCircuit) -> None:
    assert fail(circuit, limit=1)


def test_only_the_worker_that_opened_it_says_so(circuit: LoopedCircuit) -> None:
    open_at_once(circuit)
    assert not fail(circuit, limit=1)


def test_one_worker_probes_and_the_others_wait_a_second_at_a_time(
    circuit: LoopedCircuit, clock: ManualClock
) -> None:
    open_at_once(circuit, probe_after=2)
    clock.ms += 2000
    assert [circuit.ask().code for _ in range(3)] == [AskCode.PROBE, AskCode.WAIT, AskCode.WAIT]
    assert circuit.ask().at_ms == clock.ms + 1000


def test_nobody_waits_past_the_next_probe(circuit: LoopedCircuit, clock: ManualClock) -> None:
    open_at_once(circuit, probe_after=0.7)
    assert circuit.ask().at_ms == clock.ms + 700


def test_a_probe_that_never_ends_is_made_by_another(circuit: LoopedCircuit, clock: ManualClock) -> None:
    open_at_once(circuit, probe_after=0)
    assert circuit.ask().code is AskCode.PROBE
    clock.ms += int(CIRCUIT.probe_seconds * 1000)
    assert circuit.ask().code is AskCode.PROBE


def test_a_failed_probe_is_repeated_when_it_says(circuit: LoopedCircuit, clock: ManualClock) -> None:
    open_at_once(circuit, probe_after=0)
    circuit.ask()
    circuit.probed("57P03", again_after_seconds=3)
    clock.ms += 2999
    assert circuit.ask().code is AskCode.WAIT
    clock.ms += 1
    answer = circuit.ask()
    assert (answer.code, answer.failures) == (AskCode.PROBE, 2)


def test_after_a_good_probe_workers_come_back_one_then_two_then_four(
    circuit: LoopedCircuit, clock: ManualClock
) -> None:
    recover(circuit, clock)
    assert [let_in_and_wait(circuit, clock) for _ in range(4)] == [0, 1, 2, 4]  # and first the one who probed


def test_who_has_no_place_yet_asks_again_at_the_next_step(circuit: LoopedCircuit, clock: ManualClock) -> None:
    recover(circuit, clock)
    clock.ms += 300
    assert circuit.ask().at_ms == clock.ms + 700


def test_after_the_last_step_it_is_closed_for_everybody(
    circuit: LoopedCircuit, clock: ManualClock, client: fakeredis.FakeRedis
) -> None:
    recover(circuit, clock)
    assert client.pttl("{cogento:0}:circuit:postgres") == pytest.approx(8000, abs=500)


def test_one_failure_while_it_recovers_opens_it_again_and_waits_longer(
    circuit: LoopedCircuit, clock: ManualClock
) -> None:
    recover(circuit, clock)
    assert fail(circuit, begun_ms=clock.ms, probe_after=0)
    answer = circuit.ask()
    assert (answer.code, answer.failures) == (AskCode.PROBE, 2)


def test_a_failure_of_work_from_before_the_recovery_says_nothing_new(
    circuit: LoopedCircuit, clock: ManualClock
) -> None:
    recover(circuit, clock)
    assert not fail(circuit, begun_ms=START_MS, limit=1)
    clock.ms += 1000
    assert circuit.ask().code is AskCode.GO


@pytest.mark.parametrize("failure", ["08006", None])
def test_a_probe_that_comes_too_late_changes_nothing(
    circuit: LoopedCircuit, clock: ManualClock, client: fakeredis.FakeRedis, failure: str | None
) -> None:
    recover(circuit, clock)
    clock.ms += 1000
    before = client.hgetall("{cogento:0}:circuit:postgres")
    circuit.probed(failure, again_after_seconds=30)
    assert client.hgetall("{cogento:0}:circuit:postgres") == before


def test_an_operator_sees_since_when_and_why(circuit: LoopedCircuit, clock: ManualClock) -> None:
    fail(circuit)
    assert circuit.read() is None
    open_at_once(circuit, probe_after=2)
    assert circuit.read() == OpenCircuit(
        Dependency.POSTGRES, since_ms=clock.ms, why="08006", recovering=False, probe_ms=clock.ms + 2000
    )


def test_an_operator_sees_that_workers_come_back(circuit: LoopedCircuit, clock: ManualClock) -> None:
    recover(circuit, clock)
    seen = circuit.read()
    assert seen is not None
    assert (seen.recovering, seen.since_ms) == (True, START_MS)


def test_it_is_forgotten_when_no_worker_asks_any_more(
    circuit: LoopedCircuit, client: fakeredis.FakeRedis
) -> None:
    open_at_once(circuit)
    assert client.pttl("{cogento:0}:circuit:postgres") == pytest.approx(120_000, abs=500)
