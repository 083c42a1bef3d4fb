"""What Stripe has to be asked for: objects named by thin events, rows whose last event is not known, dead letters' objects.

Thin events leave one row an object (table notices), written with the ledger, until Stripe has answered. However many
events name an object, it is asked for once; what was answered since is not asked for again when one of its events
comes late. The other two are found by the rows' own flag and by the open letters, so that no crash forgets one.
Knows nothing of Stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cogento.events.kinds import KINDS_BY_NAME
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.events.outcomes import Reason, Result, decided
from cogento.ordering.order import ORDER_WINDOW
from cogento.ordering.rules import is_terminal
from cogento.retries import REFETCH
from cogento.store.database import Database
from cogento.store.kind_queries import query_of_all
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import asyncpg

    from cogento.events.event import Event, Notice
    from cogento.events.kinds.kind import Kind

_TAKE = query("refetches_take")
_NOTICES_DUE = query("refetches_due")
_ANSWERED = query("refetches_answered")
_GIVE_UP = query("refetches_give_up")
_COVER = query("refetches_cover")
_FORGET = query("refetches_forget")
_AMBIGUOUS_DUE = query_of_all("refetches_ambiguous_due")

T = TypeVar("T", "Event", "Notice")


@dataclass(frozen=True, slots=True)
class RefetchTarget:
    """An object that Stripe has to be asked for, and whose it is."""

    kind: Kind
    object_id: ObjectId
    customer_id: CustomerId


def target_of(row: Any) -> RefetchTarget:
    """Read a row that names an object."""
    return RefetchTarget(
        KINDS_BY_NAME[row["kind"]], ObjectId(row["object_id"]), CustomerId(row["customer_id"])
    )


@dataclass(frozen=True, slots=True)
class RefetchRequest:
    """An object that Stripe has to be asked for, since how long, and the newest event that told of it.

    `ends` says that an event, or an answer, told of its end.
    """

    kind: Kind
    object_id: ObjectId
    ends: bool
    raw_body: bytes
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class SnapshotEvent:
    """A snapshot event of an object, by its ids and its second."""

    event_id: EventId
    object_id: ObjectId
    created: int


async def add_requests(connection: asyncpg.Connection, notices: Sequence[Notice]) -> dict[EventId, Result]:
    """Write down of what a batch tells, in its transaction, and say what becomes of each event."""
    if not notices:
        return {}
    newest = _newest(notices)
    ending = {notice.object_id for notice in notices if notice.ends}
    rows = await connection.fetch(
        _TAKE,
        [notice.object_id for notice in newest],
        [notice.kind.name for notice in newest],
        [notice.created for notice in newest],
        [notice.object_id in ending for notice in newest],
        [notice.body for notice in newest],
        ORDER_WINDOW,
    )
    waiting = {row["object_id"] for row in rows if row["waits"]}
    return {
        notice.id: decided(Reason.ASKED if notice.object_id in waiting else Reason.STALE)
        for notice in notices
    }


def _newest(told: Iterable[T]) -> list[T]:
    """The newest of each object, in the order of the keys, so that two transactions lock alike."""
    in_order = sorted(told, key=lambda one: (one.object_id, one.created, one.id))
    return list({one.object_id: one for one in in_order}.values())


async def mark_answered(connection: asyncpg.Connection, events: Iterable[Event]) -> None:
    """Note which objects Stripe told of, in the transaction that writes what it said."""
    told = [event for event in events if event.type == event.kind.fetched]
    if not told:
        return
    answers = _newest(told)
    await connection.execute(
        _ANSWERED,
        [answer.object_id for answer in answers],
        [answer.created for answer in answers],
        [is_terminal(answer.version) for answer in answers],
        ORDER_WINDOW,
    )


class PendingRefetches:
    """The objects of a database of which thin events told; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(
        self,
        *,
        quiet_seconds: float,
        longest_seconds: float,
        besides: Collection[ObjectId],
        limit: int,
    ) -> list[RefetchRequest]:
        """Find objects to ask for: of which no more was told for so long, or that wait for `longest_seconds`."""
        rows = await self._database.fetch(
            _NOTICES_DUE, quiet_seconds, longest_seconds, list(besides), limit, list(KINDS_BY_NAME)
        )
        return [RefetchRequest(**{**row, "kind": KINDS_BY_NAME[row["kind"]]}) for row in rows]

    async def give_up(self, objects: Collection[ObjectId]) -> None:
        """Ask for these no more, until another event tells of them."""
        await self._database.write(_GIVE_UP, list(objects))

    async def covered(self, events: Sequence[SnapshotEvent]) -> set[EventId]:
        """Find snapshot events that nobody misses: Stripe has told of the object since, or will be asked."""
        rows = await self._database.fetch(
            _COVER,
            [event.event_id for event in events],
            [event.object_id for event in events],
            [event.created for event in events],
            ORDER_WINDOW,
        )
        return {EventId(row["event_id"]) for row in rows}


class UnsureRows:
    """The rows of a database whose last event is not known, and the objects of its open letters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(
        self, *, quiet_seconds: float, besides: Collection[ObjectId], limit: int
    ) -> list[RefetchTarget]:
        """Find some that nothing was written to for so long, leaving out those `besides`.

        Of a letter's object none is due once its row shows a later event than the letter's, or an answer died.
        """
        rows = await self._database.fetch(
            _AMBIGUOUS_DUE, quiet_seconds, list(besides), limit, REFETCH.dead_letter_seconds
        )
        return [target_of(row) for row in rows]


async def forget_requests(database: Database, *, days: int) -> None:
    """Forget what was told so many days ago: its events can come no more."""
    await database.write(_FORGET, days)
