"""Putting envelopes into their customers' mailboxes: one script a shard, durable as promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import RejectedError
from cogento.events.outcomes import Source
from cogento.queue import codec, keys, replies
from cogento.queue.claims import Put, PutResult
from cogento.queue.durable_scripts import DurableScripts
from cogento.queue.errors import JunkFound
from cogento.queue.redis_commands import Call
from cogento.retries import MAX_WAKEUP_WINDOW_MS, WAKEUP_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.claims import Limits
    from cogento.queue.durability import AckDurability
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Reply


class EnqueueCommands:
    """Puts into the mailboxes of all shards behind one server."""

    def __init__(
        self,
        client: RedisClient,
        *,
        shards: int,
        ack: AckDurability | None,
        limits: Limits,
        replicas: int = 1,
    ) -> None:
        self.scripts = DurableScripts(ack, replicas=replicas)
        self._client = client
        self._tags = keys.tags(shards)
        self._limits = limits

    async def put(self, envelopes: Sequence[Envelope], *, source: Source, now_ms: int) -> list[Put]:
        """Put these; an id that waits already stays as it is. At most one result asks for a wake-up."""
        values = [
            codec.encode(envelope.body, received_ms=now_ms, source=source, trace=envelope.trace)
            for envelope in envelopes
        ]
        groups = keys.by_shard(self._tags, [envelope.customer_id for envelope in envelopes])
        calls = [
            self._call(tag, now_ms, [(envelopes[i], values[i]) for i in places])
            for tag, places in groups.items()
        ]
        results = [PutResult.FULL] * len(values)
        needs_wakeup = False
        orphaned: list[tuple[str, bytes]] = []
        answers = await self._run(calls)
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
            await self.scripts.run(
                self._client, [Call("restore", tag, (now_ms, *terms)) for tag, terms in restores]
            )
        wakeup_at = results.index(PutResult.QUEUED) if needs_wakeup else None
        return [Put(result, needs_wakeup=i == wakeup_at) for i, result in enumerate(results)]

    async def _run(self, calls: Sequence[Call]) -> list[Reply]:
        """Put once more where junk was in the way: Stripe would come back with these an hour later."""
        try:
            return await self.scripts.run(self._client, calls)
        except JunkFound:
            return await self.scripts.run(self._client, calls)

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
