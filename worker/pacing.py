"""How long a worker lets mail gather between two claims: a batch has a price of its own, however small it is.

Time comes from a monotonic clock that is passed in. Knows no mailboxes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_FOR_EACH_EVENT = 0.002
LONGEST_SECONDS = 0.25


class Pacing:
    """One pace for all loops of a process, or each would take what another lets gather.

    The more a claim found, the longer mail may gather before the next: where 500 events a second come, claims
    grow until they are LONGEST_SECONDS apart, and where little comes nobody waits. A full one left mail behind,
    for which nobody waits either.
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
        rest = 0.0 if is_full else min(events * SECONDS_FOR_EACH_EVENT, LONGEST_SECONDS)
        with self._changing:
            self._next = max(self._next, self._clock() + rest)
