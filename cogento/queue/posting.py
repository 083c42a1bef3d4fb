"""Laying envelopes into mailboxes: one script a shard, durable as promised. Asks Redis through redis_commands.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import RejectedError
from cogento.queue import codec, keys, replies
from cogento.queue.durable_scripts import DurableScripts
from cogento.queue.errors import JunkFound
from cogento.queue.mail import Put, PutResult
from cogento.queue.redis_commands import Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.durability import AckDurability
    from cogento.queue.mail import Limits, Source
    from cogento.queue.redis_commands import Argument, RedisCommands, RedisConnection, Reply

RING_WINDOW_MS = 100
LONGEST_RING_WINDOW_MS = 60_000


class Posting:
    """Puts into the mailboxes of all shards behind one server."""

    def __init__(
        self, peer: RedisConnection, *, shards: int, ack: AckDurability | None, limits: Limits
    ) -> None:
        self.acknowledgement = DurableScripts(peer, ack)
        self._tags = keys.tags(shards)
        self._limits = limits

    def put(self, envelopes: Sequence[Envelope], *, source: Source, now_ms: int) -> RedisCommands[list[Put]]:
        """Lay these; an id that waits already stays as it is. At most one result asks for a ring."""
        values = [codec.encode(envelope.body, received_ms=now_ms, source=source) for envelope in envelopes]
        groups = keys.by_shard(self._tags, [envelope.customer_id for envelope in envelopes])
        calls = [
            self._call(tag, now_ms, [(envelopes[i], values[i]) for i in places])
            for tag, places in groups.items()
        ]
        results = [PutResult.FULL] * len(values)
        ring = False
        adrift: list[tuple[str, bytes]] = []
        answers = yield from self._run(calls)
        for (tag, places), (rung, *codes) in zip(groups.items(), answers, strict=True):
            ring = ring or rung == 1
            for i, code in zip(places, codes, strict=True):
                stored = code[0] if isinstance(code, list) else code
                results[i] = replies.read_put(stored, values[i])
                if isinstance(code, list):
                    adrift.append((tag, stored))
        if adrift:
            yield from self._restore(adrift, now_ms)
        ringer = results.index(PutResult.QUEUED) if ring else None
        return [Put(result, ring=i == ringer) for i, result in enumerate(results)]

    def _run(self, calls: Sequence[Call]) -> RedisCommands[list[Reply]]:
        """Put once more where junk was in the way: Stripe would come back with these an hour later."""
        try:
            return (yield from self.acknowledgement.run(calls))
        except JunkFound:
            return (yield from self.acknowledgement.run(calls))

    def _restore(self, adrift: Iterable[tuple[str, bytes]], now_ms: int) -> RedisCommands[None]:
        """Lay stored events into their mailboxes that came again, with other bytes, and may lie in none."""
        calls = [
            Call("restore", tag, (now_ms, *terms))
            for tag, stored in adrift
            if (terms := restoring_terms(stored)) is not None
        ]
        yield from self.acknowledgement.run(calls)

    def _call(self, tag: str, now_ms: int, letters: Iterable[tuple[Envelope, bytes]]) -> Call:
        limits = self._limits
        caps = (limits.customer_events, limits.total_events, limits.total_bytes)
        terms: list[Argument] = [now_ms, *caps, RING_WINDOW_MS, LONGEST_RING_WINDOW_MS]
        for envelope, value in letters:
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
