"""What happened a moment ago, for people who watch: events settled a second, rows that changed.

By way of the ledger, whose rows lie in the order of time. Knows nothing of how it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.names import CustomerId, ObjectId
from schema.queries import query

if TYPE_CHECKING:
    from cogento.store.database import Database

_PACE = query("recent_pace")
_CUSTOMERS = query("recent_customers")
_SUBSCRIPTIONS = query("recent_subscriptions")


@dataclass(frozen=True, slots=True)
class Settled:
    """How many events got one outcome in one second (Unix time, the server's clock)."""

    second: int
    outcome: str
    events: int


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer whose row changed a moment ago."""

    customer_id: CustomerId
    email: str
    name: str | None
    deleted: bool
    age_seconds: float


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A subscription whose row changed a moment ago."""

    subscription_id: ObjectId
    status: str
    unsure: bool
    age_seconds: float


class Recent:
    """Looks back a few seconds; the cost grows with what happened in them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pace(self, *, look_back_seconds: int) -> list[Settled]:
        """Count what was settled in each of the last seconds, by outcome."""
        return [Settled(**row) for row in await self._database.fetch(_PACE, look_back_seconds)]

    async def customers(self, *, look_back_seconds: int, limit: int) -> list[NewCustomer]:
        """List the customers whose rows changed last, the newest first."""
        rows = await self._database.fetch(_CUSTOMERS, look_back_seconds, limit)
        return [NewCustomer(**row) for row in rows]

    async def subscriptions(self, *, look_back_seconds: int, limit: int) -> list[NewSubscription]:
        """List the subscriptions whose rows changed last, the newest first."""
        rows = await self._database.fetch(_SUBSCRIPTIONS, look_back_seconds, limit)
        return [NewSubscription(**row) for row in rows]
