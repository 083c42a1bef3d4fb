"""Rows of the objects that belong to customers: locked, made and changed, many with one statement.

One table for each kind, and one page for all of them. An object whose customer changes in Stripe moves with its owner:
same row, other user. Both owners' rows are locked by then, so it never belongs to two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from cogento.events.kinds import OWNED_KINDS
from cogento.events.kinds.kind import ColumnType, Kind, OwnedColumns
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.ordering.order import CurrentRow, Decision
from cogento.store.kind_queries import query_of
from cogento.store.rows import canonical, needs_update, write
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from cogento.store.database import Database

PAGE = 1000

_DELETED = query("repair_deleted_users")


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
        """What the row is to show."""
        return cast("OwnedColumns", self.decision.columns)

    @property
    def needs_update(self) -> bool:
        """Whether a known row has to be written at all."""
        return self.row is not None and needs_update(self.decision, self.row.known, unsure=self.row.unsure)

    @property
    def owners(self) -> frozenset[CustomerId]:
        """The customer it belonged to and the one it will belong to."""
        before = {self.row.columns.customer_id} if self.row else set()
        return frozenset(map(CustomerId, before | {self.columns.customer_id}))


Objects = dict[ObjectId, ObjectRow]


class ObjectTable:
    """The table of one kind; every method is part of its caller's transaction."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._types = kind.column_types()
        self._json = [
            name for name, type_ in self._types.items() if type_ in {ColumnType.JSON, ColumnType.CLOSED_JSON}
        ]
        self._metadata = [name for name, type_ in self._types.items() if type_ is ColumnType.METADATA]
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
        rows = [cast("ObjectRow", change.row) for change in changes]
        values = {self.kind.row_id_column: [row.row_id for row in rows], **self._values(changes, owners)}
        for name in self._metadata:
            before = [getattr(row.columns, name) for row in rows]
            values[name] = [None if a == b else b for a, b in zip(before, values[name], strict=True)]
        await write(connection, self._update, values)

    async def insert(
        self, connection: asyncpg.Connection, changes: Sequence[ObjectChange], owners: Mapping[str, UUID]
    ) -> None:
        """Make rows for new objects, in the order that keeps two makers of the same rows from a deadlock."""
        ordered = sorted(changes, key=lambda change: change.object_id)
        ids = [change.object_id for change in ordered]
        await write(
            connection, self._insert, {self.kind.stripe_id_column: ids, **self._values(ordered, owners)}
        )

    async def mark_unsure(self, connection: asyncpg.Connection, row_ids: Sequence[UUID]) -> None:
        """Mark rows that are locked as unsure, and change nothing else of them."""
        await write(connection, self._mark_unsure, {self.kind.row_id_column: row_ids})

    def read(self, customer_id: str, values: Sequence[Any]) -> OwnedColumns:
        """Read what a row shows; `values` are those of the kind's own columns, as Postgres has them."""
        stored = dict(zip(self._types, values, strict=True))
        for name in self._json:
            stored[name] = canonical(stored[name])
        for name in self._metadata:
            stored[name] = canonical(stored[name]) or "{}"
        return cast("OwnedColumns", self.kind.columns(customer_id, *stored.values()))

    def _row(self, record: asyncpg.Record) -> tuple[ObjectId, ObjectRow]:
        row_id, object_id, customer_id, *values, shown, evidence, unsure = record
        columns = self.read(customer_id, values)
        known = CurrentRow(evidence=evidence or b"", last_event_id=EventId(shown or ""), columns=columns)
        return object_id, ObjectRow(self.kind, row_id, known, unsure)

    def _values(
        self, changes: Sequence[ObjectChange], owners: Mapping[str, UUID]
    ) -> dict[str, Sequence[object]]:
        """Give the values that both statements write, by the names that they use."""
        shows = [change.columns for change in changes]
        decisions = [change.decision for change in changes]
        return {
            "user_id": [owners[one.customer_id] for one in shows],
            **{name: [getattr(one, name) for one in shows] for name in self._types},
            "shown_created": [one.last_event_created for one in decisions],
            "shown": [one.last_event_id for one in decisions],
            "evidence": [one.evidence for one in decisions],
            "unsure": [not one.sure for one in decisions],
        }


TABLES = {kind: ObjectTable(kind) for kind in OWNED_KINDS}
"""The tables in the order in which their rows are locked and written."""


async def mark_outliving(database: Database) -> None:
    """Mark rows of an older release as unsure that have not ended though their customers are deleted; a page of users at a time."""
    (page,) = await database.fetch(_DELETED, "", PAGE)
    while page["last_id"] is not None:
        if page["deleted"]:
            for kind in OWNED_KINDS:
                if kind.ends_with_customer:
                    await database.write(query_of("objects_mark_outliving", kind), page["deleted"])
        (page,) = await database.fetch(_DELETED, page["last_id"], PAGE)
