"""The totals of queue and tables as each minute of the last day began, for charts that outlive the console.

Totals are kept, not differences: two consoles write the same, and what came while no console ran lies between two totals.
Nothing but charts depends on it. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cogento.queue import keys

if TYPE_CHECKING:
    from cogento.queue.redis_client import RedisClient

MINUTES_KEPT = 24 * 60


class MinuteTotals(msgspec.Struct, frozen=True):
    """Totals since the beginning, as of a Unix minute; what the tables count is None where they could not be read.

    `waiting` are the events that waited then, `missing` those that sweeps have recovered.
    """

    minute: int
    received: int
    waiting: int
    outcomes: dict[str, int] | None = None
    missing: int | None = None


class MinutesKeeper:
    """One field for each minute of a day, so that today's replace yesterday's. Raises MailboxUnavailable."""

    def __init__(self, server: RedisClient, tag: str) -> None:
        self._server = server
        self._key = keys.minutes_key(tag)

    async def keep(self, totals: MinuteTotals) -> None:
        """Keep a minute's totals."""
        await self._server.ask("HSET", self._key, totals.minute % MINUTES_KEPT, msgspec.json.encode(totals))

    async def kept(self) -> list[MinuteTotals]:
        """Return all that are kept, oldest first, without those that another release wrote differently."""
        found = []
        for value in (await self._server.ask("HGETALL", self._key)).values():
            try:
                found.append(msgspec.json.decode(value, type=MinuteTotals))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return sorted(found, key=lambda totals: totals.minute)
