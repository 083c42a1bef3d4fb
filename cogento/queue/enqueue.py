"""Putting envelopes into their customers' mailboxes: one script a shard, durable as promised.

EnqueueCommands is written once for threads (mailboxes.py) and for event loops (AsyncEnqueuer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import RejectedError
from cogento.events.outcomes import Source
from cogento.queue import codec, keys, replies
from cogento.queue.async_redis_client import AsyncRedisClient
from cogento.queue.claims import Limits, Put, PutResult
from cogento.queue.clock import RedisTime
from cogento.queue.durable_scripts import TIMEOUT_SECONDS, DurableScripts
from cogento.queue.errors import JunkFound
from cogento.queue.redis_commands import Call
from cogento.retries import MAX_WAKEUP_WINDOW_MS, WAKEUP_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.checks import ServerFacts
    from cogento.queue.durability import AckDurability
    from cogento.queue.redis_commands import Argument, RedisCommands, RedisConnection, Reply


class EnqueueCommands:
    """Puts into the mailboxes of all shards behind one server."""

    def __init__(
        self, connection: RedisConnection, *, shards: int, ack: AckDurability | None, limits: Limits
    ) -> None:
        self.scripts = DurableScripts(connection, ack)
        self._tags = keys.tags(shards)
        self._limits = limits

    def put(self, envelopes: Sequence[Envelope], *, source: Source, now_ms: int) -> RedisCommands[list[Put]]:
        """Put these; an id that waits already stays as it is. At most one result asks for a wake-up."""
        values = [codec.encode(envelope.body, received_ms=now_ms, source=source) for envelope in envelopes]
        groups = keys.by_shard(self._tags, [envelope.customer_id for envelope in envelopes])
        calls = [
            self._call(tag, now_ms, [(envelopes[i], values[i]) for i in places])
            for tag, places in groups.items()
        ]
        results = [PutResult.FULL] * len(values)
        needs_wakeup = False
        orphaned: list[tuple[str, bytes]] = []
        answers = yield from self._run(calls)
        for (tag, places), (wakeup, *codes) in zip(groups.items(), answers, strict=True):
            needs_wakeup = needs_wakeup or wakeup == 1
            for i, code in zip(places, codes, strict=True):
                stored = code[0] if isinstance(code, list) else code
                results[i] = replies.read_put(stored, values[i])
                if isinstance(code, list):
                    orphaned.append((tag, stored))
        if orphaned:
            # Stored events that came again, with other bytes, and may be in no mailbox: put into their own.
            restores = [(tag, terms) for tag, stored in orphaned if (terms := restoring_terms(stored))]
            yield from self.scripts.run([Call("restore", tag, (now_ms, *terms)) for tag, terms in restores])
        wakeup_at = results.index(PutResult.QUEUED) if needs_wakeup else None
        return [Put(result, needs_wakeup=i == wakeup_at) for i, result in enumerate(results)]

    def _run(self, calls: Sequence[Call]) -> RedisCommands[list[Reply]]:
        """Put once more where junk was in the way: Stripe would come back with these an hour later."""
        try:
            return (yield from self.scripts.run(calls))
        except JunkFound:
            return (yield from self.scripts.run(calls))

    def _call(self, tag: str, now_ms: int, envelopes: Iterable[tuple[Envelope, bytes]]) -> Call:
        limits = self._limits
        caps = (limits.customer_events, limits.total_events, limits.total_bytes)
        terms: list[Argument] = [now_ms, *caps, WAKEUP_WINDOW_MS, MAX_WAKEUP_WINDOW_MS]
        for envelope, value in envelopes:
            terms += (envelope.event_id, envelope.customer_id, envelope.created, value)
        return Call("put", tag, terms)


def restoring_terms(stored: bytes) -> tuple[Argument, ...] | None:
    """Return what restore.lua takes of a stored event, read from its own body; None where that cannot be read."""
    known = codec.decode(stored, now_ms=0)
    if known is None or codec.decode_header(stored) is None:
        return None
    try:
        envelope = parse_envelope(known.body, now=ANY_TIME)
    except RejectedError:
        return None
    return (envelope.event_id, envelope.customer_id, envelope.created, stored[: codec.HEADER_BYTES])


class AsyncEnqueuer:
    """Puts for one event loop, as many at a time as it is asked to: each over a connection of its own.

    Everything raises MailboxUnavailable when Redis does not do as asked within TIMEOUT_SECONDS, and may
    then be asked again.
    """

    def __init__(
        self, url: str, *, shards: int = 1, ack: AckDurability | None, limits: Limits | None = None
    ) -> None:
        """Make the enqueuer of a Redis URL; nothing is sent before it is needed."""
        self._url = url
        self._shards = shards
        self._ack = ack
        self._limits = limits or Limits()
        self._idle: list[_Channel] = []
        self._longest_seconds = TIMEOUT_SECONDS

    async def check(self) -> ServerFacts:
        """Ask the server what it really gives; raises MailboxRefused, which says what to do, if too little."""
        channel = self._acquire()
        try:
            return await channel.client.execute(channel.enqueue.scripts.check())
        finally:
            self._release(channel)

    async def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        """Put envelopes into their mailboxes: durable as promised when this returns."""
        channel = self._acquire()
        try:
            now_ms = await channel.client.execute(channel.time.now_ms())
            put = channel.enqueue.put(envelopes, source=Source.WEBHOOK, now_ms=now_ms)
            return await channel.client.execute(put)
        finally:
            self._release(channel)

    def longest_put_seconds(self) -> float:
        """Return how long a put may take before it raises; more where it waits for the disk."""
        return self._longest_seconds

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().client.close()

    def _acquire(self) -> _Channel:
        if self._idle:
            return self._idle.pop()
        client = AsyncRedisClient(self._url, timeout_seconds=TIMEOUT_SECONDS)
        return _Channel(
            client, EnqueueCommands(client, shards=self._shards, ack=self._ack, limits=self._limits)
        )

    def _release(self, channel: _Channel) -> None:
        self._longest_seconds = channel.enqueue.scripts.longest_seconds()
        self._idle.append(channel)


class _Channel:
    """A connection, and what was learnt over it and holds for it alone: the server's time, and what it gives."""

    __slots__ = ("client", "enqueue", "time")

    def __init__(self, client: AsyncRedisClient, enqueue: EnqueueCommands) -> None:
        self.client = client
        self.time = RedisTime(client)
        self.enqueue = enqueue
