"""Rows whose events do not tell which of them is last, and objects of which an event is dead.

Found by the rows' own flag and by the open letters, so that no crash forgets one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.event import ObjectKind
from cogento.events.names import CustomerId, ObjectId
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection

    from cogento.store.database import Database

_DUE = query("doubts_due")

DEAD_SECONDS = 600.0
"""How long a letter is open before Stripe is asked for its object: a later event or a person may come first."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """An object that Stripe has to be asked for, and whose it is."""

    kind: ObjectKind
    object_id: ObjectId
    customer_id: CustomerId


class DoubtfulRows:
    """The unsure rows of a database, and the objects of its letters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, *, quiet_seconds: float, besides: Collection[ObjectId], limit: int) -> list[Doubt]:
        """Find some that nothing was written to for so long, leaving out those `besides`.

        Of a letter's object none is due once its row shows a later event than the letter's, or an answer died.
        """
        rows = await self._database.fetch(_DUE, quiet_seconds, list(besides), limit, DEAD_SECONDS)
        return [
            Doubt(ObjectKind(row["kind"]), ObjectId(row["object_id"]), CustomerId(row["customer_id"]))
            for row in rows
        ]
