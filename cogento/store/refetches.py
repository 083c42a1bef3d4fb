"""What Stripe has to be asked for: objects named by thin events, unsure rows, and the objects of dead letters.

Thin events leave one row for each object (table notices), written with the ledger, until Stripe has answered. However many
events name an object, it is asked for once; an object that Stripe has told of since is not asked for again when one of its
events comes late. Unsure rows are found by their own flag, and letters' objects by the open letters, so that no crash forgets
one. Knows nothing of Stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cogento.events.kinds import KINDS_BY_NAME
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.events.outcomes import Reason, Result, decided
from cogento.ordering.order import LAG_SECONDS, ORDER_WINDOW
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

_LOCK = query("refetches_lock")
_TAKE = query("refetches_take")
_ANSWERED = query("refetches_answered")
_GIVE_UP = query("refetches_give_up")
_COVER = query("refetches_cover")
_FORGET = query("refetches_forget")
_DEAD_ANSWERS = query("refetches_dead_answers")
_NOTICES_DUE = query_of_all("refetches_due")
_AMBIGUOUS_DUE = query_of_all("refetches_ambiguous_due")

T = TypeVar("T", "Event", "Notice")


@dataclass(frozen=True, slots=True)
class RefetchTarget:
    """An object that Stripe has to be asked for, and the customer that it belongs to."""

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
    """An object that Stripe has to be asked for, how long it has waited, and the newest event that named it.

    `ends` says that an event, or an answer, said that it has ended; `customer_id` is None where no row shows whose it is.
    """

    kind: Kind
    object_id: ObjectId
    ends: bool
    raw_body: bytes
    customer_id: CustomerId | None
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class SnapshotEvent:
    """A snapshot event of an object, by its ids and its second; `deletes` says that it is a deletion."""

    event_id: EventId
    object_id: ObjectId
    created: int
    deletes: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which snapshot events thin events told of, and which of all need not be recovered, because an answer replaces them."""

    told: frozenset[EventId] = frozenset()
    replaced: frozenset[EventId] = frozenset()


async def lock(connection: asyncpg.Connection, events: Iterable[Event], notices: Iterable[Notice]) -> None:
    """Lock the rows of a batch that has answers and thin events, all in the order of the keys.

    Two statements write them, each in that order by itself: two such batches could wait for each other.
    """
    answered, named = {answer.object_id for answer in _answers(events)}, {one.object_id for one in notices}
    if answered and named:
        await connection.execute(_LOCK, sorted(answered | named))


async def add_requests(connection: asyncpg.Connection, notices: Sequence[Notice]) -> dict[EventId, Result]:
    """Note the objects that a batch's thin events name, in its transaction, and say what becomes of each event."""
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
        LAG_SECONDS,
    )
    waiting = {row["object_id"] for row in rows if row["waits"]}
    return {
        notice.id: decided(Reason.ASKED if notice.object_id in waiting else Reason.STALE)
        for notice in notices
    }


def _newest(items: Iterable[T]) -> list[T]:
    """Pick the newest of each object, in the order of the keys, so that all transactions lock in the same order."""
    in_order = sorted(items, key=lambda one: (one.object_id, one.created, one.id))
    return list({one.object_id: one for one in in_order}.values())


def _answers(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.type == event.kind.fetched]


async def mark_answered(connection: asyncpg.Connection, events: Iterable[Event]) -> None:
    """Note which objects Stripe has answered for, in the transaction that writes the answers."""
    answers = _newest(_answers(events))
    if not answers:
        return
    await connection.execute(
        _ANSWERED,
        [answer.object_id for answer in answers],
        [answer.created for answer in answers],
        [is_terminal(answer.version) for answer in answers],
        ORDER_WINDOW,
        LAG_SECONDS,
    )


class PendingRefetches:
    """The objects that thin events named, in one database; each call is one transaction."""

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
        """Find objects to ask for: those not named again for `quiet_seconds`, and those that have waited for `longest_seconds`."""
        rows = await self._database.fetch(
            _NOTICES_DUE,
            quiet_seconds,
            longest_seconds,
            list(besides),
            limit,
            list(KINDS_BY_NAME),
            REFETCH.dead_answer_seconds,
        )
        return [RefetchRequest(**{**row, "kind": KINDS_BY_NAME[row["kind"]]}) for row in rows]

    async def give_up(self, objects: Collection[ObjectId]) -> None:
        """Stop asking for these, until another event names them."""
        await self._database.write(_GIVE_UP, list(objects))

    async def coverage(self, events: Sequence[SnapshotEvent]) -> Coverage:
        """Find which snapshot events thin events told of, and which an answer of Stripe's replaces that came or is still to come."""
        if not events:
            return Coverage()
        rows = await self._database.fetch(
            _COVER,
            [event.event_id for event in events],
            [event.object_id for event in events],
            [event.created for event in events],
            [event.deletes for event in events],
            LAG_SECONDS,
        )
        return Coverage(
            told=frozenset(EventId(row["event_id"]) for row in rows if row["is_told"]),
            replaced=frozenset(EventId(row["event_id"]) for row in rows if row["is_replaced"]),
        )


class UnsureRows:
    """The rows of a database whose last event is not known, and the objects of its open letters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(
        self, *, quiet_seconds: float, besides: Collection[ObjectId], limit: int
    ) -> list[RefetchTarget]:
        """Find objects whose rows were not written to for `quiet_seconds`, without those in `besides`.

        The object of a letter is no longer due once its row shows a later event than the letter's. Nothing is due for
        `REFETCH.dead_answer_seconds` after an answer of Stripe's became a dead letter.
        """
        rows = await self._database.fetch(
            _AMBIGUOUS_DUE,
            quiet_seconds,
            list(besides),
            limit,
            REFETCH.dead_letter_seconds,
            REFETCH.dead_answer_seconds,
        )
        return [target_of(row) for row in rows]

    async def with_dead_answer(self, objects: Collection[ObjectId]) -> set[ObjectId]:
        """Find which of these objects are not to be asked for, because an answer of Stripe's became a dead letter not long ago."""
        if not objects:
            return set()
        rows = await self._database.fetch(_DEAD_ANSWERS, list(objects), REFETCH.dead_answer_seconds)
        return {ObjectId(row["object_id"]) for row in rows}


async def forget_requests(database: Database, *, days: int) -> None:
    """Forget objects that no event has named for `days`: no older event can still come."""
    await database.write(_FORGET, days)
