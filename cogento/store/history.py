"""What the tables say of an id (its rows, what became of its events, and why), the totals, and the last seconds. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from cogento.events.addresses import STAND_IN, canonical_address
from cogento.events.event import StatusChange
from cogento.events.kinds import OWNED_KINDS
from cogento.events.kinds.kind import ColumnType
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.events.outcomes import FINAL_OUTCOMES
from cogento.store.kind_queries import query_of, query_of_all
from schema.queries import query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping

    from cogento.events.kinds.kind import Kind
    from cogento.store.database import Database

_WHOSE = query_of_all("history_whose")
_CUSTOMER = query("history_customer")
_OBJECTS = {kind: query_of("history_objects", kind) for kind in OWNED_KINDS}
_EVENTS = query_of_all("history_events")
_EVENT = query("history_event")
_TIMELINE = query("history_timeline")
_NAMED_EVENTS = query("history_named_events")
_TOTALS = query_of_all("history_totals")
_UNSURE = query_of_all("history_unsure")
_REVISION = query("revision")
_SERVER = query("server_facts")
_RIGHTS_LACKING = query("rights_lacking")
_PACE = query("recent_counts")
_CUSTOMERS_NOW = query("recent_customers")
_SUBSCRIPTIONS_NOW = query("recent_subscriptions")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRecord:
    """A row of users, without the columns that only programs need, and the user's roles."""

    user_id: str
    customer_id: CustomerId
    email: str
    stripe_email: str | None
    name: str | None
    stripe_created_at: dt.datetime | None
    stripe_updated_at: dt.datetime | None
    synced_at: dt.datetime
    deleted_at: dt.datetime | None
    last_webhook_event_id: EventId | None
    unsure: bool
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """A row of an object that belongs to a customer, without the columns that only programs need; `row` is by column."""

    kind: Kind
    object_id: ObjectId
    row: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsureRecord:
    """What an unsure row remembers of its events, for `cogento.ordering.explain.tie_of`.

    `outlives_customer` says that it has not ended although its customer, with whom it should have ended, is deleted.
    """

    object_id: ObjectId
    shown: EventId
    evidence: bytes
    outlives_customer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    """What became of one event."""

    event_id: EventId
    event_type: str
    object_id: ObjectId
    event_created_at: dt.datetime
    received_at: dt.datetime
    settled_at: dt.datetime
    outcome: str
    reason: str | None
    superseded_by: EventId | None
    attempts: int
    source: str
    status_before: str | None
    status_after: str | None

    @property
    def status_change(self) -> StatusChange:
        """How it changed its object's status; empty for an event processed by a release that did not record it."""
        return StatusChange(self.status_before, self.status_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """An event on a customer's timeline, and the number of its dead letter if it has one."""

    event: LedgerRecord
    letter_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many events have ever ended in each outcome; how many rows are unsure, and how many objects Stripe is to be asked for."""

    applied: int
    unchanged: int
    duplicate: int
    stale: int
    superseded: int
    dead: int
    unsure: int
    to_ask: int

    @property
    def outcomes(self) -> dict[str, int]:
        """The events alone, by the outcome that the ledger names."""
        return {outcome: getattr(self, outcome) for outcome in FINAL_OUTCOMES}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFacts:
    """The server's version, whether it is read-only, and how many of its connections are in use."""

    version: str
    is_read_only: bool
    connections: int
    max_connections: int


class History:
    """Answers of the tables to "what is this?" and "why is it like that?"."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def whose(self, about: str) -> list[CustomerId]:
        """Name the customers that an id (of a customer, of what belongs to one, of an event, or ours) or an address is about.

        A stand-in address is about the customer whose id it contains, whichever row shows it now.
        """
        asked = about.removesuffix(STAND_IN)
        rows = await self._database.fetch(_WHOSE, asked, canonical_address(about), _user_id(asked))
        return [CustomerId(row["customer_id"]) for row in rows]

    async def customer(self, customer_id: CustomerId) -> CustomerRecord | None:
        """Read a customer's row."""
        rows = await self._database.fetch(_CUSTOMER, customer_id)
        return CustomerRecord(**{**rows[0], "roles": tuple(rows[0]["roles"])}) if rows else None

    async def objects(self, kind: Kind, customer_id: CustomerId, *, limit: int = 100) -> list[ObjectRecord]:
        """Read what a customer has of one kind, the newest first."""
        rows = await self._database.fetch(_OBJECTS[kind], customer_id, limit)
        return [ObjectRecord(kind, ObjectId(row[0]), _with_json_read(kind, row)) for row in rows]

    async def unsure(self, customer_id: CustomerId, *, limit: int = 100) -> list[UnsureRecord]:
        """Read what unsure rows remember: the customer's own, and those of its objects."""
        return [UnsureRecord(**row) for row in await self._database.fetch(_UNSURE, customer_id, limit)]

    async def events(self, customer_id: CustomerId, *, limit: int = 100) -> list[LedgerRecord]:
        """Say what became of a customer's events, the newest first."""
        return [LedgerRecord(**row) for row in await self._database.fetch(_EVENTS, customer_id, limit)]

    async def timeline(
        self,
        customers: Collection[str],
        *,
        object_id: ObjectId | None = None,
        changes_only: bool = False,
        before: LedgerRecord | None = None,
        limit: int = 100,
    ) -> list[TimelineEntry]:
        """Read what happened to a customer, the newest first, from the event before `before` on.

        `customers` are the customer and what belongs to it: thin events of the objects name no customer.
        """
        place = (before.event_created_at, before.settled_at, before.event_id) if before else (None,) * 3
        rows = await self._database.search(_TIMELINE, list(customers), object_id, changes_only, *place, limit)
        return [
            TimelineEntry(letter_id=row.pop("letter_id"), event=LedgerRecord(**row))
            for row in map(dict, rows)
        ]

    async def named_events(self, event_ids: Collection[EventId]) -> dict[EventId, LedgerRecord]:
        """Say what became of some events; those that are unknown or forgotten are left out."""
        rows = await self._database.fetch(_NAMED_EVENTS, list(event_ids))
        return {EventId(row["event_id"]): LedgerRecord(**row) for row in rows}

    async def event(self, event_id: EventId) -> LedgerRecord | None:
        """Say what became of one event; None when it is unknown, waiting, or forgotten."""
        rows = await self._database.fetch(_EVENT, event_id)
        return LedgerRecord(**rows[0]) if rows else None

    async def server(self) -> PostgresFacts:
        """Read the server's facts."""
        (row,) = await self._database.fetch(_SERVER)
        return PostgresFacts(**row)

    async def revision(self) -> str:
        """Name the migration that the tables are at."""
        (row,) = await self._database.fetch(_REVISION)
        return str(row["version_num"])

    async def rights_lacking(self, tables: Collection[str]) -> list[str]:
        """Name those of these tables that this user may not read and write."""
        return [str(row["relation"]) for row in await self._database.fetch(_RIGHTS_LACKING, list(tables))]

    async def totals(self) -> Totals:
        """Read the totals."""
        (row,) = await self._database.fetch(_TOTALS)
        return Totals(**row)


@dataclass(frozen=True, slots=True)
class SettledCount:
    """How many events got one outcome in one second (Unix time, the server's clock)."""

    second: int
    outcome: str
    events: int


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer whose row changed in the last seconds."""

    customer_id: CustomerId
    email: str
    name: str | None
    deleted: bool
    age_seconds: float


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A subscription whose row changed in the last seconds."""

    subscription_id: ObjectId
    status: str
    unsure: bool
    age_seconds: float


def _user_id(asked: str) -> UUID | None:
    """Read what was asked for as an id of a row of users, which is a UUID."""
    try:
        return UUID(asked)
    except ValueError:
        return None


def _with_json_read(kind: Kind, row: Mapping[str, object]) -> dict[str, object]:
    closed = [name for name, type_ in kind.column_types().items() if type_ is ColumnType.CLOSED_JSON]
    read = {name: msgspec.json.decode(str(row[name])) for name in closed if row[name] is not None}
    return {**row, **read}


class RecentActivity:
    """Looks back a few seconds; the cost grows with what happened in them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pace(self, *, look_back_seconds: int) -> list[SettledCount]:
        """Count what was settled in each of the last seconds, by outcome."""
        return [SettledCount(**row) for row in await self._database.fetch(_PACE, look_back_seconds)]

    async def customers(self, *, look_back_seconds: int, limit: int) -> list[NewCustomer]:
        """List the customers whose rows changed last, the newest first."""
        rows = await self._database.fetch(_CUSTOMERS_NOW, look_back_seconds, limit)
        return [NewCustomer(**row) for row in rows]

    async def subscriptions(self, *, look_back_seconds: int, limit: int) -> list[NewSubscription]:
        """List the subscriptions whose rows changed last, the newest first."""
        rows = await self._database.fetch(_SUBSCRIPTIONS_NOW, look_back_seconds, limit)
        return [NewSubscription(**row) for row in rows]
