"""The mailboxes as an event loop sees them: it only puts. Each put has a line for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.queue.async_redis_client import AsyncRedisClient
from cogento.queue.clock import PeersTime
from cogento.queue.durable_scripts import TIMEOUT_SECONDS
from cogento.queue.mail import Limits, Source
from cogento.queue.posting import Posting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.checks import ServerFacts
    from cogento.queue.durability import AckDurability
    from cogento.queue.mail import Put


class _Counter:
    """A line, and what was learnt over it and holds for it alone: the server's time, and what it gives."""

    def __init__(self, line: AsyncRedisClient, posting: Posting) -> None:
        self.line = line
        self.time = PeersTime(line)
        self.posting = posting

    async def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        now_ms = await self.line.execute(self.time.now_ms())
        return await self.line.execute(self.posting.put(envelopes, source=Source.WEBHOOK, now_ms=now_ms))

    async def check(self) -> ServerFacts:
        return await self.line.execute(self.posting.acknowledgement.check())


class Postbox:
    """Puts for one event loop, as many at a time as it is asked to: each over a connection of its own.

    Everything raises MailboxUnavailable when Redis does not do as asked within TIMEOUT_SECONDS, and may
    then be asked again.
    """

    def __init__(
        self, url: str, *, shards: int = 1, ack: AckDurability | None, limits: Limits | None = None
    ) -> None:
        """Make the postbox of a Redis URL; nothing is sent before it is needed."""
        self._url = url
        self._shards = shards
        self._ack = ack
        self._limits = limits or Limits()
        self._idle: list[_Counter] = []
        self._longest_seconds = TIMEOUT_SECONDS

    async def check(self) -> ServerFacts:
        """Ask the server what it really gives; raises MailboxRefused, which says what to do, if too little."""
        counter = self._free()
        try:
            return await counter.check()
        finally:
            self._release(counter)

    async def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        """Lay envelopes into their mailboxes: durable as promised when this returns."""
        counter = self._free()
        try:
            return await counter.put(envelopes)
        finally:
            self._release(counter)

    def longest_put_seconds(self) -> float:
        """Return how long a put may take before it raises; more where it waits for the disk."""
        return self._longest_seconds

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().line.close()

    def _free(self) -> _Counter:
        if self._idle:
            return self._idle.pop()
        line = AsyncRedisClient(self._url, timeout_seconds=TIMEOUT_SECONDS)
        return _Counter(line, Posting(line, shards=self._shards, ack=self._ack, limits=self._limits))

    def _release(self, counter: _Counter) -> None:
        self._longest_seconds = counter.posting.acknowledgement.longest_seconds()
        self._idle.append(counter)
