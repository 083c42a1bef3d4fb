"""Runs scripts so that their answer is as durable as promised, for as long as the server is the one that was checked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cogento.queue.checks import ServerFacts, check_server
from cogento.queue.durability import DurabilityMechanism, warning_of
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.placement import run_where_placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.durability import AckDurability
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Call, Reply
    from cogento.queue.redis_connection import RedisConnection
    from cogento.queue.redis_server import RedisServer

log = structlog.get_logger()

TIMEOUT_SECONDS = 0.6
"""How long one answer of Redis may take: a caller may wait for two answers, and the receiver answers 503 within about 1 s."""

WAITAOF_MS = 2000
"""With `everysec` the file reaches the disk within a second, and the disk needs a moment more."""

REPLICAS_MS = 1000
"""A replica answers at once when it is asked; one that takes longer than this counts as absent."""

MAX_WAIT_MS = {
    DurabilityMechanism.REPLY: 0,
    DurabilityMechanism.FSYNC_ALWAYS: 0,
    DurabilityMechanism.WAITAOF: WAITAOF_MS,
    DurabilityMechanism.WAIT: REPLICAS_MS,
}

KNOWN_SECONDS = 2.0
"""After so long the server is asked again: CONFIG SET changes its durability, and tells no client."""


@dataclass(frozen=True, slots=True)
class CheckedFacts:
    """What a server said of itself over a connection, in which epoch, and until when that is trusted."""

    facts: ServerFacts
    epoch: int
    until: float


class DurableScripts:
    """Runs scripts that must be durable, by the mechanism that each server has.

    After a reconnection (another epoch) it may be another server, or have another configuration: it is asked again before
    anything is acknowledged, over the same connection. Without a demand the level is what the server gives; with
    `redis_replicated`, `replicas` replicas of each server must have what was written.
    """

    def __init__(self, demand: AckDurability | None, *, replicas: int = 1) -> None:
        self._demand = demand
        self._replicas = replicas
        self._latest: dict[str, ServerFacts] = {}
        self._longest_seconds = TIMEOUT_SECONDS

    async def check(self, connection: RedisConnection) -> ServerFacts:
        """Ask the server now; raises MailboxRefused when it cannot keep the promise."""
        epoch, now = connection.epoch, time.monotonic()
        facts = await check_server(connection, self._demand, replicas=self._replicas)
        connection.checked = CheckedFacts(facts, epoch, now + KNOWN_SECONDS)
        before, self._latest[connection.name] = self._latest.get(connection.name), facts
        longest_ms = max(MAX_WAIT_MS[each.ack_means] for each in self._latest.values())
        self._longest_seconds = TIMEOUT_SECONDS + longest_ms / 1000
        if before and before.ack is not facts.ack:
            warning = warning_of(facts.ack)
            log.warning("ack_durability_changed", before=before.ack, after=facts.ack, warning=warning)
        return facts

    async def means(self, connection: RedisConnection) -> DurabilityMechanism:
        """Return the mechanism that gives the level, asking the server unless it answered lately.

        Raises MailboxUnavailable where the level is not given, or no longer.
        """
        known = connection.checked
        if known is not None and known.epoch == connection.epoch and known.until >= time.monotonic():
            return known.facts.ack_means
        try:
            return (await self.check(connection)).ack_means
        except MailboxRefused as refused:
            raise MailboxUnavailable(str(refused)) from refused

    def longest_seconds(self) -> float:
        """Return how long `run` may take, as far as is known yet."""
        return self._longest_seconds

    async def run(self, client: RedisClient, calls: Sequence[Call]) -> list[Reply]:
        """Run scripts where their shards are; when this returns, what they wrote is as durable as promised."""
        return await run_where_placed(client, calls, self._run_there)

    async def _run_there(self, server: RedisServer, calls: Sequence[Call]) -> list[Reply]:
        """Run scripts on one server.

        The mechanism is checked before and after: a server that was replaced in between did not give it. Everything goes over
        one connection: what was learnt of the server at its other end holds for no other server.
        """
        async with server.connection() as connection:
            means = await self.means(connection)
            replies = await self._run_by(means, connection, calls)
            if await self.means(connection) is not means:
                raise MailboxUnavailable("the server changed its durability during a put")
            return replies

    async def _run_by(
        self, means: DurabilityMechanism, connection: RedisConnection, calls: Sequence[Call]
    ) -> list[Reply]:
        match means:
            case DurabilityMechanism.REPLY | DurabilityMechanism.FSYNC_ALWAYS:
                return await connection.run(*calls)
            case DurabilityMechanism.WAITAOF:
                replies, (files, _) = await connection.run_and_wait(
                    *calls, wait=("WAITAOF", 1, 0, WAITAOF_MS), wait_ms=WAITAOF_MS
                )
                if files < 1:
                    raise MailboxUnavailable(f"not in the append-only file within {WAITAOF_MS} ms")
                return replies
            case DurabilityMechanism.WAIT:
                replies, had = await connection.run_and_wait(
                    *calls, wait=("WAIT", self._replicas, REPLICAS_MS), wait_ms=REPLICAS_MS
                )
                if had < self._replicas:
                    raise MailboxUnavailable(
                        f"{had} of {self._replicas} replicas had it within {REPLICAS_MS} ms"
                    )
                return replies
