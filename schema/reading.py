"""What people ask of the tables: how things stand, what arrived last, and why a row is as it is.

Reads only, outside of any transaction that writes. Knows nothing of how the answers are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from events.names import CustomerId, EventId
from schema.queries import query

if TYPE_CHECKING:
    import datetime as dt

    import asyncpg

    from schema.database import Database

_TOTALS = query("reading_totals")
_PACE = query("reading_pace")
_NEWEST_CUSTOMERS = query("reading_newest_customers")
_NEWEST_SUBSCRIPTIONS = query("reading_newest_subscriptions")
_OWNER = query("reading_owner")
_CUSTOMER = query("reading_customer")
_SUBSCRIPTIONS = query("reading_subscriptions")
_HISTORY = query("reading_history")
_EVENT = query("reading_event")

# Our sessions plan for reads by key (schema/connecting.py); counting wants the tables read in order.
_READ_IN_ORDER = "SET LOCAL enable_seqscan = on"


@dataclass(frozen=True, slots=True)
class Totals:
    """Events applied (as far back as the ledger reaches), unresolved dead letters, unsure rows."""

    applied: int
    dead: int
    unsure: int


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

    subscription_id: str
    status: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A row of users, without what only programs want, and the user's roles."""

    user_id: str
    customer_id: CustomerId
    email: str
    stripe_email: str | None
    name: str | None
    stripe_created_at: dt.datetime | None
    stripe_updated_at: dt.datetime | None
    synced_at: dt.datetime
    deleted_at: dt.datetime | None
    last_webhook_event_id: str | None
    unsure: bool
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A row of subscriptions, without what only programs want."""

    subscription_id: str
    product_id: str | None
    status: str
    current_period_start: dt.datetime | None
    current_period_end: dt.datetime | None
    stripe_created_at: dt.datetime | None
    synced_at: dt.datetime
    last_webhook_event_id: str | None
    unsure: bool


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What became of one event."""

    event_id: EventId
    event_type: str
    object_id: str
    event_created_at: dt.datetime
    received_at: dt.datetime
    settled_at: dt.datetime
    outcome: str
    reason: str | None
    superseded_by: str | None
    attempts: int
    source: str


class Reading:
    """The questions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def totals(self) -> Totals:
        """Count over the whole ledger; its cost grows with it."""
        row = await self._database.transaction(_read_totals)
        return Totals(applied=row["applied"], dead=row["dead"], unsure=row["unsure"])

    async def pace(self, *, look_back_seconds: int) -> list[Settled]:
        """Count what was settled in each of the last seconds, by outcome."""
        return [Settled(**row) for row in await self._database.fetch(_PACE, look_back_seconds)]

    async def newest_customers(self, *, look_back_seconds: int, limit: int) -> list[NewCustomer]:
        """List the customers whose rows changed last, the newest first."""
        rows = await self._database.fetch(_NEWEST_CUSTOMERS, look_back_seconds, limit)
        return [NewCustomer(**row) for row in rows]

    async def newest_subscriptions(self, *, look_back_seconds: int, limit: int) -> list[NewSubscription]:
        """List the subscriptions whose rows changed last, the newest first."""
        rows = await self._database.fetch(_NEWEST_SUBSCRIPTIONS, look_back_seconds, limit)
        return [NewSubscription(**row) for row in rows]

    async def owner(self, stripe_id: str) -> CustomerId | None:
        """Find whose a subscription, an event or a dead letter is."""
        found = await self._database.fetch(_OWNER, stripe_id)
        return CustomerId(found[0]["customer_id"]) if found else None

    async def customer(self, customer_id: CustomerId) -> CustomerRow | None:
        """Read a customer's row."""
        found = await self._database.fetch(_CUSTOMER, customer_id)
        return CustomerRow(**{**found[0], "roles": tuple(found[0]["roles"] or ())}) if found else None

    async def subscriptions(self, customer_id: CustomerId, *, limit: int) -> list[SubscriptionRow]:
        """Read a customer's subscriptions, the newest first."""
        return [
            SubscriptionRow(**row) for row in await self._database.fetch(_SUBSCRIPTIONS, customer_id, limit)
        ]

    async def history(self, customer_id: CustomerId, *, limit: int) -> list[LedgerRow]:
        """Read what became of a customer's events, the newest first."""
        return [LedgerRow(**row) for row in await self._database.fetch(_HISTORY, customer_id, limit)]

    async def event(self, event_id: EventId) -> LedgerRow | None:
        """Read what became of one event."""
        found = await self._database.fetch(_EVENT, event_id)
        return LedgerRow(**found[0]) if found else None


async def _read_totals(connection: asyncpg.Connection) -> Any:
    await connection.execute(_READ_IN_ORDER)
    return await connection.fetchrow(_TOTALS)
