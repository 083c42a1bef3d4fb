"""How long a connection may be silent: one timer, which is seldom set again though every request changes what it waits for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class SilenceTimer:
    """Calls `on_end` when a client has been silent for as long as it may; by the loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[], object]) -> None:
        self._loop = loop
        self._on_end = on_end
        self._until = self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def allow(self, seconds: float) -> None:
        """Let the client be silent for so long from now.

        A timer that is set for sooner stays, and is set again when it is due: most waits end long before, and a timer
        for each request costs as much as reading its head.
        """
        self._until = self._loop.time() + seconds
        if self._until < self._due:
            self._stop()
            self._due = self._until
            self._timer = self._loop.call_later(seconds, self._ring)

    def end(self) -> None:
        """Wait for nothing more: the client has said what it had to."""
        self._until = math.inf

    def close(self) -> None:
        """Call nobody any more, and let go of whom it was to call: they hold each other."""
        self._stop()
        self._on_end = _nobody

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, math.inf

    def _ring(self) -> None:
        self._timer, self._due = None, math.inf
        left = self._until - self._loop.time()
        if left <= 0:
            self._on_end()
        elif left < math.inf:
            self.allow(left)


def _nobody() -> None:
    """Stand for who has gone."""
