"""Not taking mail while what it would be written to is away.

An outage of Postgres is no event's fault: nothing is claimed, so nobody's attempts are spent. Time comes
from a monotonic clock that is passed in.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from events.retry import FailureClass, next_delay

if TYPE_CHECKING:
    from collections.abc import Callable


class Breaker:
    """Open after a failure for a growing, jittered time; closed by the first success."""

    def __init__(self, *, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._open_until = 0.0
        self._changing = threading.Lock()

    def is_open(self) -> bool:
        """Whether taking work now would only fail."""
        return self._clock() < self._open_until

    def failed(self) -> float:
        """Open for a while; how many seconds, is returned."""
        with self._changing:
            self._failures += 1
            delay = next_delay(FailureClass.INFRASTRUCTURE, self._failures, chance=self._chance())
            self._open_until = self._clock() + delay
            return delay

    def succeeded(self) -> None:
        """Close."""
        with self._changing:
            self._failures = 0
            self._open_until = 0.0
