"""Rows of the objects that belong to customers: locked, made and changed, many with one statement.

One table for each kind, and one page for all of them. An object whose customer changes in Stripe moves with its owner:
same row, other user. Both owners' rows are locked by then, so it never belongs to two.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import msgspec

from cogento.events.kinds import OWNED_KINDS
from cogento.events.kinds.kind import ColumnType, Kind, OwnedColumns
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.ordering.order import CurrentRow, Decision
from cogento.store.kind_queries import query_of
from cogento.store.rows import canonical, needs_update, write

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from cogento.store.database import Database


class ObjectRow(msgspec.Struct, frozen=True):
    """An object's row as locked."""

    kind: Kind
    row_id: UUID
    known: CurrentRow
    unsure: bool

    @property
    def columns(self) -> OwnedColumns:
        """What the row shows."""
        return cast("OwnedColumns", self.known.columns)


class ObjectChange(msgspec.Struct, frozen=True):
    """What is decided for an object; `row` is None when it has none yet."""

    kind: Kind
    object_id: ObjectId
    row: ObjectRow | None
    decision: Decision

    @property
    def columns(self) -> OwnedColumns:
        """What the row shall show."""
        return cast("OwnedColumns", self.decision.columns)

    @property
    def needs_update(self) -> bool:
        """Whether a known row has to be written at all."""
        return self.row is not None and needs_update(self.decision, self.row.known, unsure=self.row.unsure)

    @property
    def owners(self) -> frozenset[CustomerId]:
        """Whose it was and whose it shall be."""
        before = {self.row.columns.customer_id} if self.row else set()
        return frozenset(map(CustomerId, before | {self.columns.customer_id}))


Objects = dict[ObjectId, ObjectRow]


class ObjectTable:
    """The table of one kind; every method is part of its caller's transaction."""

    def __init__(self, kind: Kind) -> None:
        types = kind.column_types()
        self.kind = kind
        self._values = attrgetter(*types)
        self._json = [at for at, type_ in enumerate(types.values()) if type_ is ColumnType.JSON]
        self._metadata = [at for at, type_ in enumerate(types.values()) if type_ is ColumnType.METADATA]
        self._lock = query_of("objects_lock", kind)
        self._update = query_of("objects_update", kind)
        self._insert = query_of("objects_insert", kind)
        self._mark_unsure = query_of("objects_mark_unsure", kind)

    async def lock(
        self, connection: asyncpg.Connection, object_ids: Collection[ObjectId], *, of_users: Collection[UUID]
    ) -> Objects:
        """Lock these objects' rows, and all of these users; their customers' rows must be locked already."""
        if not object_ids and not of_users:
            return {}
        rows = await connection.fetch(self._lock, list(object_ids), list(of_users))
        return dict(map(self._row, rows))

    async def update(
        self, connection: asyncpg.Connection, changes: Sequence[ObjectChange], owners: Mapping[str, UUID]
    ) -> None:
        """Write known objects; `owners` maps customers to their users."""
        await write(
            connection, self._update, [self._updated(c, owners[c.columns.customer_id]) for c in changes]
        )

    async def insert(
        self, connection: asyncpg.Connection, changes: Sequence[ObjectChange], owners: Mapping[str, UUID]
    ) -> None:
        """Make rows for new objects, in the order that keeps two makers of the same rows from a deadlock."""
        ordered = sorted(changes, key=lambda change: change.object_id)
        await write(
            connection, self._insert, [self._inserted(c, owners[c.columns.customer_id]) for c in ordered]
        )

    async def mark_unsure(self, connection: asyncpg.Connection, row_ids: Collection[UUID]) -> None:
        """Mark rows that are locked as unsure, and change nothing else of them."""
        await write(connection, self._mark_unsure, [(id_,) for id_ in row_ids])

    def read(self, customer_id: str, values: Sequence[Any]) -> OwnedColumns:
        """Read what a row shows; `values` are those of the kind's own columns, as Postgres has them."""
        stored = list(values)
        for at in self._json:
            stored[at] = canonical(stored[at])
        for at in self._metadata:
            stored[at] = canonical(stored[at]) or "{}"
        return cast("OwnedColumns", self.kind.columns(customer_id, *stored))

    def _row(self, record: asyncpg.Record) -> tuple[ObjectId, ObjectRow]:
        row_id, object_id, customer_id, *values, shown, evidence, unsure = record
        columns = self.read(customer_id, values)
        known = CurrentRow(evidence=evidence or b"", last_event_id=EventId(shown or ""), columns=columns)
        return object_id, ObjectRow(self.kind, row_id, known, unsure)

    def _updated(self, change: ObjectChange, user_id: UUID) -> tuple[object, ...]:
        row, values = cast("ObjectRow", change.row), list(self._values(change.columns))
        if self._metadata:
            before = self._values(row.columns)
            for at in self._metadata:
                values[at] = None if before[at] == values[at] else values[at]
        return (row.row_id, user_id, *values, *_decided(change.decision))

    def _inserted(self, change: ObjectChange, user_id: UUID) -> tuple[object, ...]:
        return (change.object_id, user_id, *self._values(change.columns), *_decided(change.decision))


def _decided(decision: Decision) -> tuple[object, ...]:
    return (decision.last_event_created, decision.last_event_id, decision.evidence, not decision.sure)


TABLES = {kind: ObjectTable(kind) for kind in OWNED_KINDS}
"""The tables in the order in which their rows are locked and written."""


async def mark_outliving(database: Database) -> None:
    """Mark rows of an older release as unsure that have not ended though their customers are deleted."""
    for kind in OWNED_KINDS:
        if kind.ends_with_customer:
            await database.write(query_of("objects_mark_outliving", kind))
