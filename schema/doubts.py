"""Rows whose events do not tell which of them is last: found by their own flag, so that no crash forgets one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from events.event import ObjectKind
from events.names import CustomerId, ObjectId
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection

    from schema.database import Database

_DUE = query("doubts_due")


@dataclass(frozen=True, slots=True)
class Doubt:
    """An object that Stripe has to be asked for, and whose it is."""

    kind: ObjectKind
    object_id: ObjectId
    customer_id: CustomerId


class DoubtfulRows:
    """The unsure rows of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, *, quiet_seconds: float, besides: Collection[ObjectId], limit: int) -> list[Doubt]:
        """Find some that nothing was written to for so long, leaving out those `besides`."""
        rows = await self._database.fetch(_DUE, quiet_seconds, list(besides), limit)
        return [
            Doubt(ObjectKind(row["kind"]), ObjectId(row["object_id"]), CustomerId(row["customer_id"]))
            for row in rows
        ]
