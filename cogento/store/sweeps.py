"""How far the missed-event sweep has come, kept where a wiped Redis cannot reach it.

The watermark says: every event up to here is in the ledger, or written down as awaited. Knows nothing of Stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.names import EventId
from cogento.store.rows import array
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cogento.store.database import Database

_STATUS = query("sweep_status")
_NOTE = query("sweep_note")
_ADVANCE = query("sweep_advance")
_FINISH = query("sweep_finish")
_AWAITED = query("sweep_awaited")
_FORGET = query("sweep_forget")
_SETTLED = query("ledger_find")


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """How far sweeps have come, in Unix seconds; None before the first one.

    `missing` counts since the beginning, `awaited` are events not yet in the ledger; `now` is the server's clock.
    """

    watermark: int | None
    finished: int | None
    now: int
    missing: int
    awaited: int


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """One event that Stripe has: its id and its second."""

    event_id: EventId
    created: int


BEFORE_ALL_EVENTS = ListedEvent(EventId(""), 0)


class SweepProgress:
    """The progress of a database's sweeps; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self) -> SweepStatus:
        """Read it."""
        (row,) = await self._database.fetch(_STATUS)
        return SweepStatus(**row)

    async def unsettled(self, events: Sequence[ListedEvent]) -> list[ListedEvent]:
        """Leave out those that are in the ledger or with the dead letters."""
        ids, seconds = array([event.event_id for event in events]), array([event.created for event in events])
        settled = {row["event_id"] for row in await self._database.fetch(_SETTLED, ids, seconds)}
        return [event for event in events if event.event_id not in settled]

    async def note(self, *, missing: int, awaited: Sequence[ListedEvent]) -> None:
        """Count what was missing, and write down what is on its way."""
        ids, seconds = [event.event_id for event in awaited], [event.created for event in awaited]
        await self._database.write(_NOTE, missing, ids, seconds)

    async def advance(self, second: int) -> None:
        """Move the watermark forward to a second."""
        await self._database.write(_ADVANCE, second)

    async def finish(self) -> None:
        """Say that a sweep came to its end now."""
        await self._database.write(_FINISH)

    async def awaited(self, *, after: ListedEvent = BEFORE_ALL_EVENTS, limit: int) -> list[ListedEvent]:
        """Give what is waited for, the oldest first, a page at a time."""
        rows = await self._database.fetch(_AWAITED, after.created, after.event_id, limit)
        return [ListedEvent(EventId(row["event_id"]), row["created"]) for row in rows]

    async def forget(self, events: Collection[EventId]) -> None:
        """Wait no longer for these."""
        await self._database.write(_FORGET, list(events))
