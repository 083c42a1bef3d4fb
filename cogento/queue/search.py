"""Searching waiting events, for people: what they are about, and which of them are about a given object.

There is no index from an object to the mailbox that its events wait in: it would be one more write for each event. So the
parked ones and those that have waited longest are read, some at a time. Knows nothing of what is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.names import CustomerId, EventId
from cogento.queue import codec
from cogento.queue.redis_commands import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from cogento.queue.clock import RedisClock
    from cogento.queue.layout import Layouts
    from cogento.queue.redis_client import RedisClient

MAX_SEARCHED = 1_000
"""How many parked events, and how many waiting ones, are searched: read and decoded within a tenth of a second."""

CUSTOMERS_AT_ONCE = 100
EVENTS_AT_ONCE = 100
BYTES_AT_ONCE = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The event that was looked for and its customer, None where it was not found; and how many events were searched."""

    customer_id: CustomerId | None
    event_id: EventId | None
    looked_through: int


class EventSearch:
    """Reads stored events and changes nothing; everything raises MailboxUnavailable."""

    def __init__(self, server: RedisClient, clock: RedisClock, layouts: Layouts) -> None:
        self._server = server
        self._clock = clock
        self._layouts = layouts

    async def bodies(self, customer_id: CustomerId, event_ids: Sequence[EventId]) -> dict[EventId, bytes]:
        """Read bodies of a customer's events; left out are those that are gone, written by a newer release, or beyond BYTES_AT_ONCE."""
        now_ms, found = await self._clock.now_ms(), dict[EventId, bytes]()
        for tag in (await self._layouts.refresh()).homes(customer_id):
            (values,) = await self._server.run(Call("events", tag, (now_ms, BYTES_AT_ONCE, *event_ids)))
            for id_, value in zip(event_ids, values, strict=True):
                event = codec.decode(value, now_ms=now_ms) if value else None
                if event is not None:
                    found[id_] = event.body
        return found

    async def find(self, is_wanted: Callable[[bytes], bool]) -> SearchResult:
        """Look through parked events, then through the waiting ones, MAX_SEARCHED of each, until `is_wanted` is true of a body."""
        looked_through = 0
        for kind in ("parked", "waiting"):
            async for customer_id, event_id, body in self._events(kind):
                looked_through += 1
                if is_wanted(body):
                    return SearchResult(customer_id, event_id, looked_through)
        return SearchResult(None, None, looked_through)

    async def _events(self, kind: str) -> AsyncIterator[tuple[CustomerId, EventId, bytes]]:
        left = MAX_SEARCHED
        for tag in (await self._layouts.refresh()).tags:
            first = 0
            while left > 0:
                now_ms = await self._clock.now_ms()
                limits = (CUSTOMERS_AT_ONCE, min(EVENTS_AT_ONCE, left), BYTES_AT_ONCE)
                ((read, found),) = await self._server.run(Call("scan", tag, (now_ms, kind, first, *limits)))
                if not read:
                    break
                first += read
                left -= len(found) // 3
                for customer, id_, value in zip(found[::3], found[1::3], found[2::3], strict=True):
                    stored = codec.decode(value, now_ms=now_ms)
                    yield CustomerId(customer.decode()), EventId(id_.decode()), stored.body if stored else b""
