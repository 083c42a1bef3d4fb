"""When a worker claims next: mail gathers meanwhile (cogento/queue/mail.py), for a batch has a price of its own.

Time comes from a monotonic clock that is passed in. Knows no mailboxes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cogento.queue.mail import gathering_ms

if TYPE_CHECKING:
    from collections.abc import Callable


class Pacing:
    """One pace for all loops of a process, or each would take what another lets gather.

    A full claim left mail in line, for which nobody waits.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = clock()
        self._changing = threading.Lock()

    def seconds_left(self) -> float:
        """Return how long mail shall still gather; not above 0: claim."""
        return self._next - self._clock()

    def claimed(self, events: int, *, is_full: bool) -> None:
        """Note how much a claim has found."""
        rest = 0.0 if is_full else gathering_ms(events) / 1000
        with self._changing:
            self._next = max(self._next, self._clock() + rest)
