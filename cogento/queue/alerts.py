"""Which alerts have been sent and not yet withdrawn, so that each is sent once, also by several processes and after a restart.

Knows nothing of what they are about.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cogento.queue import keys

if TYPE_CHECKING:
    from cogento.queue.redis_client import RedisClient


class SentAlerts:
    """A hash of names; everything raises MailboxUnavailable."""

    def __init__(self, server: RedisClient, tag: str) -> None:
        self._server = server
        self._key = keys.alerts_key(tag)

    async def names(self) -> frozenset[str]:
        """Return those that were sent and not withdrawn."""
        return frozenset(name.decode() for name in await self._server.ask("HKEYS", self._key))

    async def begin(self, name: str) -> bool:
        """Note that one is sent; False when another process has done so."""
        return bool(await self._server.ask("HSETNX", self._key, name, int(time.time())))

    async def end(self, name: str) -> bool:
        """Note that one is withdrawn; False when another process has done so."""
        return bool(await self._server.ask("HDEL", self._key, name))
