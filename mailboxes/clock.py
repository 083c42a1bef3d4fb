"""What time it is, by Redis's own clock: the same for every process, whatever its machine believes.

A local wall clock that jumps must neither end another's lease nor make mail wait.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mailboxes.server import Server

RESYNCHRONISE_SECONDS = 30.0  # a quartz clock drifts less than 1 ms in that time
REQUEST = ("TIME",)


class Clock(Protocol):
    """Milliseconds of Redis's time."""

    def now_ms(self) -> int:
        """Return the time; raises MailboxUnavailable when it must be asked for and Redis is away."""


@dataclass(frozen=True, slots=True)
class _Reading:
    offset_ms: float
    taken: float
    era: int


class RedisClock:
    """Redis's TIME once, then the local monotonic clock, asked again now and then and after trouble."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reading: _Reading | None = None

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by Redis's clock."""
        reading = self._reading
        if reading is None or not self._is_fresh(reading):
            reading = self._reading = self._read()
        return int(reading.offset_ms + time.monotonic() * 1000)

    def _is_fresh(self, reading: _Reading) -> bool:
        young = time.monotonic() - reading.taken < RESYNCHRONISE_SECONDS
        return young and reading.era == self._server.era

    def _read(self) -> _Reading:
        """Ask once; half the round trip is taken as the way back.

        The era is noted before: when the connection changes meanwhile, the next look asks again.
        """
        era = self._server.era
        asked = time.monotonic()
        seconds, micros = self._server.ask(*REQUEST)
        answered = time.monotonic()
        there = (asked + answered) / 2
        return _Reading((int(seconds) + int(micros) / 1e6 - there) * 1000, answered, era)
