from __future__ import annotations

import threading

import pytest

from cogento.retries import MAX_LINGER_MS
from worker.loop import BatchLinger, LoopPool

PATIENCE = 5


class Drain:
    """A drain that counts its runs and can be held inside one."""

    def __init__(self) -> None:
        self.runs = 0
        self.inside = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> None:
        self.runs += 1
        self.inside.set()
        assert self.may_end.wait(PATIENCE)


def started(loops: LoopPool) -> threading.Thread:
    thread = threading.Thread(target=loops.wake, daemon=True)
    thread.start()
    return thread


def test_a_ring_while_every_slot_is_busy_makes_the_busy_loop_look_again() -> None:
    drain = Drain()
    loops = LoopPool(drain, slots=1)
    busy = started(loops)
    assert drain.inside.wait(PATIENCE)

    loops.wake()
    drain.may_end.set()
    busy.join(PATIENCE)

    assert drain.runs == 2


def test_many_rings_while_busy_cost_one_more_look() -> None:
    drain = Drain()
    loops = LoopPool(drain, slots=1)
    busy = started(loops)
    assert drain.inside.wait(PATIENCE)

    for _ in range(100):
        loops.wake()
    drain.may_end.set()
    busy.join(PATIENCE)

    assert drain.runs == 2


def test_a_drain_that_raises_gives_its_slot_back() -> None:
    def fail() -> None:
        raise ArithmeticError

    loops = LoopPool(fail, slots=1)
    with pytest.raises(ArithmeticError):
        loops.wake()
    with pytest.raises(ArithmeticError):
        loops.wake()


def test_two_slots_drain_at_once() -> None:
    both = threading.Barrier(2, timeout=PATIENCE)

    def meet() -> None:
        both.wait()

    loops = LoopPool(meet, slots=2)
    first, second = started(loops), started(loops)
    first.join(PATIENCE)
    second.join(PATIENCE)

    assert not both.broken


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


def test_mail_gathers_for_longer_the_more_there_was(linger: BatchLinger) -> None:
    linger.claimed(50, is_full=False)

    assert linger.seconds_left() == pytest.approx(0.1)


def test_mail_never_gathers_for_long(linger: BatchLinger) -> None:
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
