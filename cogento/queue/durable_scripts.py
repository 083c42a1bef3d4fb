"""That an answer is as durable as promised, for as long as the server stays the one that was checked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cogento.queue.checks import ServerFacts, check_server
from cogento.queue.durability import DurabilityMechanism, warning_of
from cogento.queue.errors import MailboxRefused, MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.durability import AckDurability
    from cogento.queue.redis_client import RedisConnection
    from cogento.queue.redis_commands import Call, Reply

log = structlog.get_logger()

TIMEOUT_SECONDS = 0.6
"""How long one answer of Redis may take: a caller may wait for two, and the receiver says 503 in about 1 s."""

WAITAOF_MS = 2000
"""An `everysec` file reaches the disk within a second, and the disk takes its time."""

LONG_TIMEOUT_SECONDS = TIMEOUT_SECONDS + WAITAOF_MS / 1000


KNOWN_SECONDS = 2.0
"""After this the server is asked again, for CONFIG SET changes its durability without a word to anybody."""


@dataclass(frozen=True, slots=True)
class CheckedFacts:
    """What a server said of itself over a connection, of which epoch, and until when that is believed."""

    facts: ServerFacts
    epoch: int
    until: float


class DurableScripts:
    """Runs what must be durable, by the means that the server has.

    After a reconnection (another epoch) the server may be another one, or configured anew: it is asked again before
    anything is acknowledged, over the same connection. Without a demand the level is what the server gives.
    """

    def __init__(self, demand: AckDurability | None) -> None:
        self._demand = demand
        self._latest: ServerFacts | None = None

    async def check(self, connection: RedisConnection) -> ServerFacts:
        """Ask the server now; raises MailboxRefused when it cannot keep the promise."""
        epoch, now = connection.epoch, time.monotonic()
        facts = await check_server(connection, self._demand)
        connection.checked = CheckedFacts(facts, epoch, now + KNOWN_SECONDS)
        before, self._latest = self._latest, facts
        if before and before.ack is not facts.ack:
            warning = warning_of(facts.ack)
            log.warning("ack_durability_changed", before=before.ack, after=facts.ack, warning=warning)
        return facts

    async def means(self, connection: RedisConnection) -> DurabilityMechanism:
        """Return how the level is given, asking unless the server said so lately.

        Raises MailboxUnavailable where it is not, or not any more.
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
        waits = self._latest is not None and self._latest.ack_means is DurabilityMechanism.WAITAOF
        return LONG_TIMEOUT_SECONDS if waits else TIMEOUT_SECONDS

    async def run(self, connection: RedisConnection, calls: Sequence[Call]) -> list[Reply]:
        """Run scripts; when this returns, what they wrote is as durable as promised.

        The means are looked at before and after: a server that was exchanged in between did not give them.
        """
        means = await self.means(connection)
        if means is DurabilityMechanism.WAITAOF:
            replies, files = await connection.run_and_wait(*calls, wait_ms=WAITAOF_MS)
            if files < 1:
                raise MailboxUnavailable(f"not in the append-only file within {WAITAOF_MS} ms")
        else:
            replies = await connection.run(*calls)
        if await self.means(connection) is not means:
            raise MailboxUnavailable("the server changed its durability during a put")
        return replies
