"""How far a backfill has come, kept so that one that was killed goes on. Knows nothing of Stripe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.event import ObjectKind
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.store.database import Database

_BEGIN = query("backfill_begin")
_LEFT = query("backfill_left")
_SAVE = query("backfill_save")
_SPLIT = query("backfill_split")
_FINISH = query("backfill_finish")
_STATUS = query("backfill_status")
_TOTALS = query("backfill_totals")

Counts = dict[tuple[str, str], int]
"""How many objects by kind and by what became of them."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Objects of one kind that were created from one Unix second on and before another."""

    kind: ObjectKind
    since: int
    before: int

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.before - self.since


@dataclass(frozen=True, slots=True)
class BackfillRange:
    """A range that is left to list, and the number under which that is kept."""

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
    """The progress of a database's last backfill; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, ranges: Sequence[TimeRange]) -> None:
        """Restart with these, in their order."""
        kinds = [one.kind.value for one in ranges]
        await self._database.write(
            _BEGIN, kinds, [one.since for one in ranges], [one.before for one in ranges]
        )

    async def status(self) -> BackfillStatus:
        """Read when it began and ended."""
        (row,) = await self._database.fetch(_STATUS)
        return BackfillStatus(**row)

    async def left(self) -> list[BackfillRange]:
        """Give what is left to list, in order."""
        rows = await self._database.fetch(_LEFT)
        return [
            BackfillRange(row["id"], TimeRange(ObjectKind(row["kind"]), row["since"], row["before"]))
            for row in rows
        ]

    async def save(self, part: BackfillRange, counts: Mapping[tuple[str, str], int]) -> None:
        """Say that only so much of a range is left, and count what became of the rest."""
        kinds, outcomes = [kind for kind, _ in counts], [outcome for _, outcome in counts]
        await self._database.write(_SAVE, part.id, part.left.before, kinds, outcomes, list(counts.values()))

    async def split(self, part: BackfillRange, second: int) -> tuple[BackfillRange, BackfillRange]:
        """Split a range in two at a second; the older half comes first."""
        (row,) = await self._database.write(_SPLIT, part.id, second)
        older = TimeRange(part.left.kind, part.left.since, second)
        newer = TimeRange(part.left.kind, second, part.left.before)
        return BackfillRange(row["id"], older), BackfillRange(part.id, newer)

    async def finish(self) -> None:
        """Say that nothing is left."""
        await self._database.write(_FINISH)

    async def totals(self) -> Counts:
        """Read what became of the objects so far."""
        rows = await self._database.fetch(_TOTALS)
        return {(row["kind"], row["outcome"]): row["objects"] for row in rows}
