"""What time it is, by Redis's own clock: the same for every process, whatever its machine believes.

A local wall clock that jumps must neither end another's lease nor make events wait.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogento.queue.redis_client import RedisClient

RESYNCHRONISE_SECONDS = 30.0  # a quartz clock drifts less than 1 ms in that time


@dataclass(frozen=True, slots=True)
class _Reading:
    offset_ms: float
    taken: float
    connection_epoch: int


class RedisClock:
    """Redis's TIME once, then the local monotonic clock, asked again now and then and after trouble."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._reading: _Reading | None = None

    async def now_ms(self) -> int:
        """Return milliseconds since 1970 by Redis's clock; raises MailboxUnavailable."""
        reading = self._reading
        if (
            reading is None
            or reading.connection_epoch != self._client.connection_epoch
            or time.monotonic() - reading.taken >= RESYNCHRONISE_SECONDS
        ):
            reading = self._reading = await self._read()
        return int(reading.offset_ms + time.monotonic() * 1000)

    async def _read(self) -> _Reading:
        """Ask once; half the round trip is taken as the way back.

        The connection_epoch is noted before: when the connection changes meanwhile, the next look asks again.
        """
        connection_epoch = self._client.connection_epoch
        asked = time.monotonic()
        seconds, micros = await self._client.ask("TIME")
        answered = time.monotonic()
        there = (asked + answered) / 2
        return _Reading((int(seconds) + int(micros) / 1e6 - there) * 1000, answered, connection_epoch)
