from __future__ import annotations

import threading

from worker.sweep import Chore, Sweep

PATIENCE = 5
NEVER_AGAIN = 3600


def test_every_chore_is_done_at_once_and_the_sweep_ends_when_asked() -> None:
    done = threading.Event()
    sweep = Sweep([Chore("quick", NEVER_AGAIN, done.set)])

    sweep.start()

    assert done.wait(PATIENCE)
    assert sweep.stop(timeout_seconds=PATIENCE)


def test_a_chore_that_fails_is_done_again() -> None:
    third = threading.Event()
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        if len(tries) == 3:
            third.set()
        raise ArithmeticError

    sweep = Sweep([Chore("failing", 0.001, fail)])
    sweep.start()

    assert third.wait(PATIENCE)
    assert sweep.stop(timeout_seconds=PATIENCE)


def test_a_chore_under_way_does_not_hold_up_the_end() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        may_end.wait(PATIENCE)

    sweep = Sweep([Chore("slow", NEVER_AGAIN, hang)])
    sweep.start()
    assert begun.wait(PATIENCE)

    assert not sweep.stop(timeout_seconds=0.01)
    may_end.set()
