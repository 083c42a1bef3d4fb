"""How far a backfill and the missed-event sweep have come, kept in Postgres, where it survives a killed process and a wiped Redis.

Knows nothing of Stripe. Each call of `BackfillProgress` and `SweepProgress` is one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.kinds import KINDS_BY_NAME
from cogento.events.names import EventId
from cogento.store.rows import array
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cogento.events.kinds.kind import Kind
    from cogento.store.database import Database

_BEGIN = query("backfill_begin")
_LEFT = query("backfill_left")
_SAVE = query("backfill_save")
_SPLIT = query("backfill_split")
_BACKFILL_FINISH = query("backfill_finish")
_BACKFILL_STATUS = query("backfill_status")
_TOTALS = query("backfill_totals")
_OUTDATE = query("backfill_outdate")

_SWEEP_STATUS = query("sweep_status")
_NOTE = query("sweep_note")
_ADVANCE = query("sweep_advance")
_SWEEP_FINISH = query("sweep_finish")
_AWAITED = query("sweep_awaited")
_FORGET = query("sweep_forget")
_SETTLED = query("ledger_find")

Counts = dict[tuple[str, str], int]
"""How many objects by kind and by what became of them."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Objects of one kind that were created from one Unix second on and before another."""

    kind: Kind
    since: int
    before: int

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.before - self.since


@dataclass(frozen=True, slots=True)
class BackfillRange:
    """A range that is left to list, and the id of its row."""

    id: int
    left: TimeRange


@dataclass(frozen=True, slots=True)
class BackfillStatus:
    """When the last backfill began and ended (Unix seconds, None: not yet), and how many seconds it covers."""

    begun: int | None
    finished: int | None
    seconds: int

    @property
    def is_under_way(self) -> bool:
        """Whether something is left of it."""
        return self.begun is not None and self.finished is None


class BackfillProgress:
    """The progress of a database's last backfill."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, ranges: Sequence[TimeRange]) -> None:
        """Start again with these ranges, in their order."""
        kinds = [one.kind.name for one in ranges]
        await self._database.write(
            _BEGIN, kinds, [one.since for one in ranges], [one.before for one in ranges]
        )

    async def status(self) -> BackfillStatus:
        """Read when it began and ended."""
        (row,) = await self._database.fetch(_BACKFILL_STATUS)
        return BackfillStatus(**row)

    async def left(self) -> list[BackfillRange]:
        """Return the ranges left to list, in order, without kinds that only a newer release knows."""
        return [
            BackfillRange(row["id"], TimeRange(kind, row["since"], row["before"]))
            for row in await self._database.fetch(_LEFT)
            if (kind := KINDS_BY_NAME.get(row["kind"]))
        ]

    async def save(self, part: BackfillRange, counts: Mapping[tuple[str, str], int]) -> None:
        """Record that only `part` of a range is left, and count what became of the rest."""
        kinds, outcomes = [kind for kind, _ in counts], [outcome for _, outcome in counts]
        await self._database.write(_SAVE, part.id, part.left.before, kinds, outcomes, list(counts.values()))

    async def split(self, part: BackfillRange, second: int) -> tuple[BackfillRange, BackfillRange]:
        """Split a range in two at a second; the older half comes first."""
        (row,) = await self._database.write(_SPLIT, part.id, second)
        older = TimeRange(part.left.kind, part.left.since, second)
        newer = TimeRange(part.left.kind, second, part.left.before)
        return BackfillRange(row["id"], older), BackfillRange(part.id, newer)

    async def finish(self) -> None:
        """Record that nothing is left."""
        await self._database.write(_BACKFILL_FINISH)

    async def outdate(self) -> None:
        """Record that a new one is needed: events were lost that what is listed so far may not show."""
        await self._database.write(_OUTDATE)

    async def totals(self) -> Counts:
        """Read what became of the objects so far."""
        rows = await self._database.fetch(_TOTALS)
        return {(row["kind"], row["outcome"]): row["objects"] for row in rows}


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
    """The progress of a database's sweeps.

    The watermark says: every event up to here is in the ledger, or written down as awaited.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self) -> SweepStatus:
        """Read how far sweeps have come."""
        (row,) = await self._database.fetch(_SWEEP_STATUS)
        return SweepStatus(**row)

    async def unsettled(self, events: Sequence[ListedEvent]) -> list[ListedEvent]:
        """Leave out those that are in the ledger or with the dead letters."""
        ids, seconds = array([event.event_id for event in events]), array([event.created for event in events])
        settled = {row["event_id"] for row in await self._database.fetch(_SETTLED, ids, seconds)}
        return [event for event in events if event.event_id not in settled]

    async def note(self, *, missing: int, awaited: Sequence[ListedEvent]) -> None:
        """Count events that were missing, and note those that are on their way."""
        ids, seconds = [event.event_id for event in awaited], [event.created for event in awaited]
        await self._database.write(_NOTE, missing, ids, seconds)

    async def advance(self, second: int) -> None:
        """Move the watermark forward to a second."""
        await self._database.write(_ADVANCE, second)

    async def finish(self) -> None:
        """Record that a sweep ended now."""
        await self._database.write(_SWEEP_FINISH)

    async def awaited(self, *, after: ListedEvent = BEFORE_ALL_EVENTS, limit: int) -> list[ListedEvent]:
        """Return the awaited events, the oldest first, a page at a time."""
        rows = await self._database.fetch(_AWAITED, after.created, after.event_id, limit)
        return [ListedEvent(EventId(row["event_id"]), row["created"]) for row in rows]

    async def forget(self, events: Collection[EventId]) -> None:
        """Wait no longer for these."""
        await self._database.write(_FORGET, list(events))
