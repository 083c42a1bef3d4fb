"""How many drain loops run at once in this process, and that no ring is missed.

Knows threads; knows nothing of mail.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Loops:
    """At most `slots` threads drain at once; a ring that finds them all busy makes one of them look again."""

    def __init__(self, drain: Callable[[], None], *, slots: int) -> None:
        self._drain = drain
        self._slots = slots
        self._busy = 0
        self._rung_meanwhile = False
        self._changing = threading.Condition()

    def answer(self) -> None:
        """Drain until nothing is left, or return at once when every slot is already doing so.

        Whoever is turned away leaves a mark under the lock, so that the last loop to finish looks once
        more: mail that arrived between its last look and its leaving is not left to the sweep.
        """
        if not self._enter():
            return
        try:
            self._drain()
            while not self._left():
                self._drain()
        except BaseException:
            self._leave()
            raise

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Wait until no loop drains; False when one still does after `timeout_seconds`."""
        with self._changing:
            return self._changing.wait_for(lambda: self._busy == 0, timeout_seconds)

    def _enter(self) -> bool:
        with self._changing:
            if self._busy < self._slots:
                self._busy += 1
                return True
            self._rung_meanwhile = True
            return False

    def _left(self) -> bool:
        """Leave, unless somebody was turned away: looking at the mark and leaving are one step."""
        with self._changing:
            if self._rung_meanwhile:
                self._rung_meanwhile = False
                return False
            self._busy -= 1
            self._changing.notify_all()
            return True

    def _leave(self) -> None:
        with self._changing:
            self._busy -= 1
            self._changing.notify_all()
