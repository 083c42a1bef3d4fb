from __future__ import annotations

import threading

import pytest

from worker.loops import Loops

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


def started(loops: Loops) -> threading.Thread:
    thread = threading.Thread(target=loops.answer, daemon=True)
    thread.start()
    return thread


def test_a_ring_while_every_slot_is_busy_makes_the_busy_loop_look_again() -> None:
    drain = Drain()
    loops = Loops(drain, slots=1)
    busy = started(loops)
    assert drain.inside.wait(PATIENCE)

    loops.answer()
    drain.may_end.set()
    busy.join(PATIENCE)

    assert drain.runs == 2


def test_many_rings_while_busy_cost_one_more_look() -> None:
    drain = Drain()
    loops = Loops(drain, slots=1)
    busy = started(loops)
    assert drain.inside.wait(PATIENCE)

    for _ in range(100):
        loops.answer()
    drain.may_end.set()
    busy.join(PATIENCE)

    assert drain.runs == 2


def test_a_drain_that_raises_gives_its_slot_back() -> None:
    def fail() -> None:
        raise ArithmeticError

    loops = Loops(fail, slots=1)
    with pytest.raises(ArithmeticError):
        loops.answer()
    with pytest.raises(ArithmeticError):
        loops.answer()


def test_two_slots_drain_at_once() -> None:
    both = threading.Barrier(2, timeout=PATIENCE)

    def meet() -> None:
        both.wait()

    loops = Loops(meet, slots=2)
    first, second = started(loops), started(loops)
    first.join(PATIENCE)
    second.join(PATIENCE)

    assert not both.broken
