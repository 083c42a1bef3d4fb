"""Log lines that a flood cannot multiply: one for each kind of thing in an interval, with a count.

The count of an interval is written with the first occurrence after it; the metrics are always exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL_SECONDS = 10

_log = structlog.get_logger()


@dataclass(slots=True)
class _Tally:
    count: int
    next_line_at: float


class ThrottledLog:
    """Counts what happened, by event name; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tallies: dict[str, _Tally] = {}

    def warning(self, event: str, **fields: object) -> None:
        """Note that this happened (an event name in the past tense); `fields` are of the last time."""
        now = self._clock()
        tally = self._tallies.setdefault(event, _Tally(count=0, next_line_at=now))
        tally.count += 1
        if now >= tally.next_line_at:
            _log.warning(event, count=tally.count, **fields)
            self._tallies[event] = _Tally(count=0, next_line_at=now + INTERVAL_SECONDS)
