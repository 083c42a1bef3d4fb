"""Which workers take work, and how long events waited: what workers report now and then, for people and metrics.

A worker has a slot, the lowest that is free at its first heartbeat: there are never more slots than there were workers at once,
so that a metric may be labelled with them. No event depends on any of this.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.queue import keys
from cogento.queue.redis_commands import Call
from cogento.queue.replies import read_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.clock import RedisClock
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument

ALIVE_SECONDS = 30.0
"""A worker counts as alive for this long after its last heartbeat: a batch may take as long as several heartbeats."""

SLOT_KEPT_MS = 60_000
REMEMBERED_MS = 3600_000
"""A worker that died stays visible for an hour, unless another takes its slot."""

NEVER = 0
FACTS = ("beat_ms", "worker", "started_ms", "took_ms", "version", "shards")
"""The facts kept about a worker, one word each, in this order; a new fact comes last (see `_read`)."""
UNKNOWN_VERSION = "unknown"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker reports of itself; `worker` is a name without spaces, `took_ms` when it last settled events.

    `shards` is its MAILBOX_SHARDS.
    """

    worker: str
    version: str
    started_ms: int
    took_ms: int | None
    shards: int = 1


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker with a heartbeat within the last hour that has not unregistered; `shards` is None for one of release 0.1."""

    slot: int
    worker: str
    version: str
    started_ms: int
    beat_ms: int
    took_ms: int | None
    is_alive: bool
    shards: int | None = None


@dataclass(frozen=True, slots=True)
class Workforce:
    """All workers seen lately, dead ones too; `now_ms` by the clock of their heartbeats."""

    seen: Sequence[SeenWorker]
    now_ms: int

    @property
    def alive(self) -> int:
        """How many take work."""
        return sum(self.versions.values())

    @property
    def versions(self) -> Mapping[str, int]:
        """How many of each version take work."""
        return dict(sorted(Counter(worker.version for worker in self.seen if worker.is_alive).items()))

    @property
    def wishes(self) -> Mapping[int, int]:
        """How many of those that take work want each number of shards, without those of release 0.1."""
        wanted = (worker.shards for worker in self.seen if worker.is_alive)
        return dict(sorted(Counter(shards for shards in wanted if shards is not None).items()))

    @property
    def idle_seconds(self) -> float | None:
        """How long ago any of them last settled events; None when none has yet."""
        took = [worker.took_ms for worker in self.seen if worker.took_ms is not None]
        return max(self.now_ms - max(took), 0) / 1000 if took else None


class WorkerRegistry:
    """The workers of these mailboxes; everything raises MailboxUnavailable."""

    def __init__(self, server: RedisClient, clock: RedisClock, tag: str) -> None:
        self._server = server
        self._clock = clock
        self._tag = tag

    async def beat(self, beat: Heartbeat, delays: Mapping[str, int]) -> int:
        """Record a heartbeat, add `delays` to the workers' counters, and return the worker's slot."""
        facts = f"{beat.started_ms} {beat.took_ms or NEVER} {beat.version} {beat.shards}"
        counts = [term for field, count in delays.items() for term in (field, count)]
        return int(await self._run("beat", beat.worker, facts, SLOT_KEPT_MS, REMEMBERED_MS, *counts))

    async def unregister(self, worker: str) -> None:
        """Forget a worker that stops."""
        await self._run("unregister", worker)

    async def seen(self) -> tuple[SeenWorker, ...]:
        """Return the workers by their slots."""
        now_ms = await self._clock.now_ms()
        noted = await self._fields(keys.workers_key(self._tag))
        return tuple(sorted((_read(slot, text, now_ms) for slot, text in noted), key=lambda seen: seen.slot))

    async def delays(self) -> dict[str, int]:
        """Return the counters of delays and of whatever else workers count; they start from 0 with an empty Redis."""
        counters = await self._fields(keys.delays_key(self._tag))
        return {field: read_number(count.encode()) for field, count in counters}

    async def _fields(self, key: str) -> Sequence[tuple[str, str]]:
        fields = await self._server.ask("HGETALL", key)
        return [(field.decode(), text.decode()) for field, text in fields.items()]

    async def _run(self, script: str, *terms: Argument) -> int:
        (reply,) = await self._server.run(Call(script, self._tag, (await self._clock.now_ms(), *terms)))
        return int(reply)


def _read(slot: str, text: str, now_ms: int) -> SeenWorker:
    """Read the facts that a worker of any release keeps: there may be fewer than we know, or more.

    The first two are always there: the script `beat` writes them. Words beyond ours are ignored.
    """
    facts = dict(zip(FACTS, text.split(), strict=False))
    beat_ms = int(facts["beat_ms"])
    return SeenWorker(
        slot=int(slot),
        worker=facts["worker"],
        version=facts.get("version", UNKNOWN_VERSION),
        started_ms=int(facts.get("started_ms", beat_ms)),
        beat_ms=beat_ms,
        took_ms=int(facts.get("took_ms", NEVER)) or None,
        shards=int(facts["shards"]) if "shards" in facts else None,
        is_alive=now_ms - beat_ms <= ALIVE_SECONDS * 1000,
    )
