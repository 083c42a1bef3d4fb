"""Not asking the mailboxes while they are away: a pause that grows, for this process alone.

Time comes from a monotonic clock that is passed in.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cogento.events.retry import FailureClass, next_delay

if TYPE_CHECKING:
    from collections.abc import Callable


LONGEST_SECONDS = 5.0
"""Redis does not mind being asked, and every worker shall be back within ten seconds of its return."""


class Backoff:
    """Pauses for a growing, jittered time after each failure; the first success ends it."""

    def __init__(self, *, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._until = 0.0
        self._changing = threading.Lock()

    def is_over(self) -> bool:
        """Whether it is time to ask."""
        return self._clock() >= self._until

    def failed(self) -> float:
        """Pause; for how many seconds, is returned."""
        with self._changing:
            self._failures += 1
            delay = next_delay(FailureClass.INFRASTRUCTURE, self._failures, chance=self._chance())
            delay = min(delay, LONGEST_SECONDS)
            self._until = self._clock() + delay
            return delay

    def succeeded(self) -> None:
        """Begin anew with the shortest pause."""
        if self._failures:
            with self._changing:
                self._failures = 0
                self._until = 0.0
