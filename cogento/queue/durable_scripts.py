"""That an answer is as durable as promised, for as long as the server stays the one that was checked."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

import structlog

from cogento.queue import redis_commands
from cogento.queue.checks import ServerFacts, check_server
from cogento.queue.durability import DurabilityMechanism, warning_of
from cogento.queue.errors import MailboxRefused, MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.durability import AckDurability
    from cogento.queue.redis_commands import Call, RedisCommands, RedisConnection, Reply

log = structlog.get_logger()

TIMEOUT_SECONDS = 0.6
"""How long one answer of Redis may take: a caller may wait for two, and the receiver says 503 in about 1 s."""

SLOWEST_BYTES_A_SECOND = 10 * 1024**2
"""What is long may take longer, by what a slow wire and disk carry: the longest event is of 48 MiB."""

WAITAOF_MS = 2000
"""An `everysec` file reaches the disk within a second, and the disk takes its time."""

LONG_TIMEOUT_SECONDS = TIMEOUT_SECONDS + WAITAOF_MS / 1000


KNOWN_SECONDS = 2.0
"""After this the server is asked again, for CONFIG SET changes its durability without a word to anybody."""


@dataclass(frozen=True, slots=True)
class _CheckedFacts:
    facts: ServerFacts
    connection_epoch: int
    until: float


class DurableScripts:
    """Runs what must be durable, by the means that the server has.

    After a reconnection (another epoch) the server may be another one, or configured anew: it is asked again before
    anything is acknowledged, over the same connections. Without a demand the level is what the server gives.
    """

    def __init__(self, connection: RedisConnection, demand: AckDurability | None) -> None:
        self._connection = connection
        self._demand = demand
        self._known: _CheckedFacts | None = None

    def facts(self) -> RedisCommands[ServerFacts]:
        """Return what the server gives, asking unless it told so lately."""
        connection_epoch, now = self._connection.connection_epoch, time.monotonic()
        known = self._known
        if known is None or known.connection_epoch != connection_epoch or known.until < now:
            self._known = _CheckedFacts(
                (yield from check_server(self._demand)), connection_epoch, now + KNOWN_SECONDS
            )
            if known and known.facts.ack is not self._known.facts.ack:
                facts = self._known.facts
                log.warning(
                    "ack_durability_changed",
                    before=known.facts.ack,
                    after=facts.ack,
                    warning=warning_of(facts.ack),
                )
            return self._known.facts
        return known.facts

    def check(self) -> RedisCommands[ServerFacts]:
        """Ask the server now; raises MailboxRefused when it cannot keep the promise."""
        if self._known is not None:
            self._known = replace(self._known, until=-inf)
        return (yield from self.facts())

    def means(self) -> RedisCommands[DurabilityMechanism]:
        """Return how the level is given; raises MailboxUnavailable where it is not, or not any more."""
        try:
            return (yield from self.facts()).ack_means
        except MailboxRefused as refused:
            raise MailboxUnavailable(str(refused)) from refused

    def longest_seconds(self) -> float:
        """Return how long `run` may take, as far as is known yet."""
        waits = self._known is not None and self._known.facts.ack_means is DurabilityMechanism.WAITAOF
        return LONG_TIMEOUT_SECONDS if waits else TIMEOUT_SECONDS

    def run(self, calls: Sequence[Call]) -> RedisCommands[list[Reply]]:
        """Run scripts; when this returns, what they wrote is as durable as promised.

        The means are looked at before and after: a server that was exchanged in between did not give them.
        """
        means = yield from self.means()
        if means is DurabilityMechanism.WAITAOF:
            replies, files = yield from redis_commands.run_and_wait(calls, wait_ms=WAITAOF_MS)
            if files < 1:
                raise MailboxUnavailable(f"not in the append-only file within {WAITAOF_MS} ms")
        else:
            replies = yield from redis_commands.run(calls)
        if (yield from self.means()) is not means:
            raise MailboxUnavailable("the server changed its durability during a put")
        return replies
