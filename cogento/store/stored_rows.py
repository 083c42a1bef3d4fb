"""Rows as they are stored, for comparison with what Stripe says. Reads only, and locks nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cogento.events.addresses import EmailClaim, assign_addresses, claimed_address
from cogento.events.kinds import CUSTOMER, OWNED_KINDS
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.names import CustomerId, ObjectId
from cogento.store.kind_queries import query_of, query_of_all
from cogento.store.objects import TABLES
from cogento.store.refetches import RefetchTarget, target_of
from cogento.store.rows import canonical
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from cogento.events.kinds.kind import Columns, Kind
    from cogento.store.database import Database

PAGE = 1000

_ROWS = {CUSTOMER: query("stored_rows_users")} | {
    kind: query_of("stored_rows_objects", kind) for kind in OWNED_KINDS
}
_NAMED = {CUSTOMER: query("stored_rows_named_users")} | {
    kind: query_of("stored_rows_named_objects", kind) for kind in OWNED_KINDS
}
_CLAIMANTS = query("stored_rows_claimants")
_SAMPLE = query_of_all("stored_rows_sample")


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row: what it shows, by which event of which second, and what it remembers of its events.

    `email` is the address to sign in with and `email_due` the one that all claims come to; both only for customers. A customer
    who was `forgotten` has nothing personal here, whatever Stripe has.
    """

    customer_id: CustomerId
    columns: Columns
    shown: str
    shown_created: int | None
    evidence: bytes
    email: str | None
    email_due: str | None
    forgotten: bool = False


class StoredRows:
    """The rows of all kinds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, kind: Kind, ids: Collection[ObjectId]) -> dict[ObjectId, StoredRow]:
        """Read these objects' rows; what has none is left out."""
        rows = await self._database.fetch(_ROWS[kind], list(ids))
        due = await self._due(rows) if kind is CUSTOMER else {}
        return {
            ObjectId(row["object_id"]): _stored_row(kind, row, due.get(CustomerId(row["stripe_customer_id"])))
            for row in rows
        }

    async def _due(self, rows: list[Any]) -> dict[CustomerId, str]:
        """Say which address each of these should show, considering all claims."""
        claims = [_claim(row) for row in rows]
        addresses = {address for claim in claims if (address := claimed_address(claim))}
        others = await self._database.fetch(_CLAIMANTS, list(addresses)) if addresses else []
        return assign_addresses(
            {claim.customer_id: claim for claim in [*map(_claim, others), *claims]}.values()
        )

    async def sample(self, limit: int) -> list[RefetchTarget]:
        """Name so many rows at random."""
        return [target_of(row) for row in await self._database.fetch(_SAMPLE, limit)]

    async def all(self, kind: Kind) -> AsyncIterator[RefetchTarget]:
        """Name every object that Stripe should list."""
        after = ""
        while rows := await self._database.fetch(_NAMED[kind], after, PAGE):
            after = rows[-1]["object_id"]
            for row in rows:
                yield target_of(row)


def _claim(row: Any) -> EmailClaim:
    return EmailClaim(
        customer_id=CustomerId(row["stripe_customer_id"]),
        stripe_email=row["stripe_email"],
        stripe_created_at=row["stripe_created_at"],
        deleted=row["deleted"],
    )


def _stored_row(kind: Kind, row: Any, email_due: str | None) -> StoredRow:
    return StoredRow(
        customer_id=CustomerId(row["stripe_customer_id"]),
        columns=_customer(row) if kind is CUSTOMER else TABLES[kind].read(row["stripe_customer_id"], row[6:]),
        shown=row["last_webhook_event_id"] or "",
        shown_created=row["shown_created"],
        evidence=row["evidence"] or b"",
        email=row.get("email"),
        email_due=email_due,
        forgotten=row["forgotten"],
    )


def _customer(row: Any) -> CustomerColumns:
    return CustomerColumns(
        stripe_email=row["stripe_email"],
        name=row["name"],
        phone=row["phone"],
        address=canonical(row["address"]),
        metadata=canonical(row["metadata"]) or "{}",
        stripe_created_at=row["stripe_created_at"],
        deleted=row["deleted"],
    )
