"""How long a connection may be silent: one timer, which is seldom set again although every request changes what the connection waits for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class SilenceTimer:
    """Calls `on_end` when a client has been silent for as long as it may be, by the loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[], object]) -> None:
        self._loop = loop
        self._on_end = on_end
        self._until = self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def allow(self, seconds: float) -> None:
        """Let the client be silent for so long from now.

        A timer that is already set for an earlier time stays, and is set again when it fires: most waits end long before that,
        and a new timer for each request costs as much as reading its head.
        """
        self._until = self._loop.time() + seconds
        if self._until < self._due:
            self._stop()
            self._due = self._until
            self._timer = self._loop.call_later(seconds, self._ring)

    def end(self) -> None:
        """Stop waiting: the client has sent what it had to send."""
        self._until = math.inf

    def close(self) -> None:
        """Never call `on_end` again, and release it: timer and connection refer to each other."""
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
    """Do nothing, in the place of an `on_end` that was released."""
