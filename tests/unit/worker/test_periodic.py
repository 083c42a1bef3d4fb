from __future__ import annotations

import threading

from worker.periodic import PeriodicTask, PeriodicTasks

PATIENCE = 5
NEVER_AGAIN = 3600


def test_every_task_runs_at_once_and_no_more_once_stopped() -> None:
    done = threading.Event()
    tasks = PeriodicTasks([PeriodicTask("quick", NEVER_AGAIN, done.set)])

    tasks.start()

    assert done.wait(PATIENCE)
    assert tasks.stop(timeout_seconds=PATIENCE)


def test_a_task_that_fails_runs_again() -> None:
    third = threading.Event()
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        if len(tries) == 3:
            third.set()
        raise ArithmeticError

    tasks = PeriodicTasks([PeriodicTask("failing", 0.001, fail)])
    tasks.start()

    assert third.wait(PATIENCE)
    assert tasks.stop(timeout_seconds=PATIENCE)


def test_a_task_under_way_does_not_delay_the_stop() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        may_end.wait(PATIENCE)

    tasks = PeriodicTasks([PeriodicTask("slow", NEVER_AGAIN, hang)])
    tasks.start()
    assert begun.wait(PATIENCE)

    assert not tasks.stop(timeout_seconds=0.01)
    may_end.set()
