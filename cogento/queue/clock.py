"""The time by Redis's own clock: the same for every process, whatever its machine's clock says.

A local wall clock that jumps must neither end another process's lease nor make events wait. Where several masters keep mailboxes
it is the median of their clocks: one of them that is wrong, or a replica with another clock that takes over, changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_server import RedisServer

RESYNCHRONISE_SECONDS = 30.0  # a quartz clock drifts less than 1 ms in that time


@dataclass(frozen=True, slots=True)
class _Reading:
    offset_ms: float
    taken: float
    connection_epoch: int


class RedisClock:
    """Reads Redis's TIME once and then counts by the local monotonic clock; reads again now and then, and after trouble."""

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
        """Ask each server once. The connection epoch is noted first: when it changes meanwhile, the next call of `now_ms` asks again."""
        connection_epoch = self._client.connection_epoch
        servers = await self._client.servers()
        if len(servers) == 1:
            offset_ms = await _offset_ms(servers[0])
        else:
            offsets_ms = await asyncio.gather(*map(_offset_ms, servers), return_exceptions=True)
            offset_ms = _median(offsets_ms)
        return _Reading(offset_ms, time.monotonic(), connection_epoch)


async def _offset_ms(server: RedisServer) -> float:
    """Return how far a server's clock is ahead of the monotonic one; half the round trip is taken as the way back."""
    asked = time.monotonic()
    seconds, micros = await server.ask("TIME")
    there = (asked + time.monotonic()) / 2
    return (int(seconds) + int(micros) / 1e6 - there) * 1000


def _median(offsets_ms: Sequence[float | BaseException]) -> float:
    """Return the median of the answers, the lower one of an even number: a lease that lasts too long does less harm."""
    offsets = sorted(one for one in offsets_ms if isinstance(one, float))
    if not offsets:
        raise next(one for one in offsets_ms if isinstance(one, BaseException))
    return offsets[(len(offsets) - 1) // 2]
