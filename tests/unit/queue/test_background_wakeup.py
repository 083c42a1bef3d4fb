from __future__ import annotations

import threading

from cogento.queue.wakeup import BackgroundWakeup, WorkerWakeup


class HeldWakeup(WorkerWakeup):
    """A wake-up that takes until it is let go."""

    def __init__(self) -> None:
        self.sent = 0
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)

    def send(self) -> None:
        self.sent += 1
        self.begun.release()
        assert self.let_go.acquire(timeout=5)


def test_a_wakeup_is_passed_on_and_not_waited_for() -> None:
    held = HeldWakeup()
    BackgroundWakeup(held).send()
    assert held.begun.acquire(timeout=5)
    held.let_go.release()


def test_wakeups_asked_for_while_one_is_under_way_become_one() -> None:
    held = HeldWakeup()
    background = BackgroundWakeup(held)
    background.send()
    assert held.begun.acquire(timeout=5)
    background.send()
    background.send()
    held.let_go.release()
    assert held.begun.acquire(timeout=5)
    held.let_go.release()
    assert held.sent == 2
