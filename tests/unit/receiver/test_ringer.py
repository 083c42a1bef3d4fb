from __future__ import annotations

import threading
from dataclasses import dataclass, field

from receiver.ringer import Ringer


@dataclass
class HeldBell:
    """A bell whose ring takes until it is let go."""

    rings: int = 0
    rung: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    let_go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def ring(self) -> None:
        self.rings += 1
        self.rung.release()
        assert self.let_go.acquire(timeout=5)


def test_a_ring_is_passed_on_and_not_waited_for() -> None:
    bell = HeldBell()
    Ringer(bell).ring()
    assert bell.rung.acquire(timeout=5)
    bell.let_go.release()


def test_rings_asked_for_while_one_is_under_way_become_one() -> None:
    bell = HeldBell()
    ringer = Ringer(bell)
    ringer.ring()
    assert bell.rung.acquire(timeout=5)
    ringer.ring()
    ringer.ring()
    bell.let_go.release()
    assert bell.rung.acquire(timeout=5)
    bell.let_go.release()
    assert bell.rings == 2
