"""What the queue, its server and the workers look like from outside: one reading, for pages and for metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cogento.queue import keys
from cogento.queue.errors import MailboxRefused
from cogento.queue.worker_registry import Workforce
from cogento.retries import INTERVALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.queue.checks import ServerFacts
    from cogento.queue.clock import RedisClock
    from cogento.queue.fence import KeptOut
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.shard_move import ShardCount

KEPT_MS = 3600_000
"""How long the age of Postgres's last figures can be told; the figures themselves are shown for a minute (exposition.py)."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The queue: events received, waiting and parked; customers ready, leased, sleeping and paused.

    The oldest event is one that is not paused; the oldest paused one has an age of its own.
    `waits_for` names the dependencies that workers wait for, with the reason. `kept_out` is what receivers kept out while they let
    nothing in, and `bad_signatures` how many webhooks no secret signed meanwhile. `key_refused` says that Stripe refuses the API key.
    `counters` are what workers count (delays.py). `server` is None where it cannot keep the promise that
    is configured. `shards` is how many there are, and how far a change has come.
    """

    received_total: int
    settled_total: int
    repaired_total: int
    lost_total: int
    waiting: int
    ready: int
    leased: int
    sleeping: int
    parked: int
    paused: int
    everything_paused: bool
    oldest_event_age_seconds: float | None
    oldest_paused_age_seconds: float | None
    waits_for: Mapping[str, str]
    kept_out: KeptOut | None
    bad_signatures: int
    key_refused: bool
    workforce: Workforce
    counters: Mapping[str, int]
    server: ServerFacts | None
    shards: ShardCount


async def read_figures(mailboxes: Mailboxes) -> QueueFigures:
    """Ask Redis, in a handful of short commands; raises MailboxUnavailable."""
    status = await mailboxes.status()
    try:
        server = await mailboxes.check()
    except MailboxRefused:
        server = None
    fence = await mailboxes.fence_notes.read()
    return QueueFigures(
        received_total=status.counters.accepted,
        settled_total=status.counters.settled,
        repaired_total=status.counters.repaired,
        lost_total=status.counters.lost,
        waiting=status.waiting,
        ready=status.ready,
        leased=status.leased,
        sleeping=status.sleeping,
        parked=status.parked,
        paused=status.paused,
        everything_paused=status.everything_paused,
        oldest_event_age_seconds=status.oldest_event_age_seconds,
        oldest_paused_age_seconds=status.oldest_paused_age_seconds,
        waits_for=await waits_for_what(mailboxes),
        kept_out=fence.kept_out,
        bad_signatures=fence.bad_signatures,
        key_refused=await mailboxes.key_refusal.is_recent(),
        workforce=Workforce(await mailboxes.workers.seen(), status.now_ms),
        counters=await mailboxes.workers.delays(),
        server=server,
        shards=await mailboxes.shard_move().count(),
    )


async def waits_for_what(mailboxes: Mailboxes) -> dict[str, str]:
    """Name the dependencies that workers wait for, with the reason."""
    return {str(circuit.dependency): circuit.why for circuit in await mailboxes.open_circuits()}


class KeptTables(NamedTuple):
    """The tables' figures as a worker kept them, and how old they are by Redis's clock."""

    packed: bytes
    age_seconds: float


class TablesKeeper:
    """Where workers keep what Postgres knows, for receivers, which do not speak to it.

    Knows nothing of what is kept. Everything raises MailboxUnavailable.
    """

    def __init__(self, server: RedisClient, clock: RedisClock, tag: str) -> None:
        self._server = server
        self._clock = clock
        self._tag = tag

    async def begin(self) -> bool:
        """Tell whether the caller is the one worker who reads the tables now; its death holds nobody up."""
        every_ms = int(INTERVALS.figures_seconds * 1000)
        return bool(await self._server.ask("SET", keys.reading_key(self._tag), 1, "NX", "PX", every_ms))

    async def keep(self, packed: bytes) -> None:
        """Keep what was read just now, in place of whatever was kept before."""
        value = b"%d %b" % (await self._clock.now_ms(), packed)
        await self._server.ask("SET", keys.tables_key(self._tag), value, "PX", KEPT_MS)

    async def kept(self) -> KeptTables | None:
        """Return what was kept last; None where nothing was, or what is there is not ours to read."""
        value: bytes = await self._server.ask("GET", keys.tables_key(self._tag)) or b""
        read_ms, _, packed = value.partition(b" ")
        if not read_ms.isdigit():
            return None
        return KeptTables(packed, max(await self._clock.now_ms() - int(read_ms), 0) / 1000)
