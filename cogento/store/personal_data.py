"""Erasing a person from the tables: row, objects, letters, notices, and reasons that people typed.

What is left of a customer is a tombstone, a deleted row without personal data, so that nothing late brings the person
back: its own events come after its end, and events of its objects are blanked before they are decided (batch.py). The
ledger holds ids and stays until its days are dropped; without it every event that Stripe repeats would count again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cogento.events import strict_json
from cogento.events.addresses import placeholder
from cogento.events.kinds import CUSTOMER
from cogento.events.outcomes import Source
from cogento.ordering.erasure import tombstone_evidence, without_personal_data
from cogento.ordering.evidence import outlives_its_customer
from cogento.store import batch, dead_letters, kept_objects
from cogento.store.kind_queries import query_of
from cogento.store.ledger import Delivery
from cogento.store.objects import TABLES, Objects
from cogento.store.users import LockSet, LockSetTooSmallError
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import asyncpg

    from cogento.events.event import Event
    from cogento.events.names import CustomerId
    from cogento.store.database import Database

_PERSON = query("forget_person")
_CUSTOMER = query("forget_customer")
_BODIES = query("forget_letter_bodies")
_NOTICES = query("forget_notices")
_DELETED_IN_STRIPE = query("forget_deleted_in_stripe")
_OWN_REASONS = query("forget_own_reasons")
_NAMED_REASONS = query("forget_named_reasons")

FORGOTTEN = "erased: the person was forgotten"
SHORTEST_NAME = 4
"""A shorter name occurs in too many words to be looked for."""
NAMING = ("email", "name", "phone", "individual_name", "business_name")


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """How many rows of each kind were erased, or would be; `objects` are those that belong to the customer."""

    users: int
    objects: int
    roles: int
    letters: int
    notices: int
    reasons: int


class PersonalData:
    """The personal data in a database's tables, to be erased."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names_of(self, customer_id: CustomerId) -> frozenset[str]:
        """Return the names, addresses and numbers of the person in the row and the letters."""
        found: set[str] = set()
        for row in await self._database.fetch(_PERSON, customer_id):
            values = (row["email"], row["stripe_email"], row["claimed_email"], row["name"], row["phone"])
            found |= {value for value in values if value and value != placeholder(customer_id)}
        for row in await self._database.fetch(_BODIES, [customer_id]):
            found |= names_in(row["raw_body"])
        return worth_looking_for(found)

    async def erase(
        self, deletion: Event, *, who: str, names: Collection[str], dry_run: bool = False
    ) -> ErasedRows:
        """Erase everything in one transaction; `deletion` is the event that ends the customer.

        Repeating it is harmless. A dry run does everything and rolls it back, so that its counts are exact.
        """
        delivery = Delivery(deletion, received_ms=deletion.created * 1000, attempts=0, source=Source.FORGET)
        locks, erased = LockSet(customers=frozenset({deletion.customer_id})), None
        while erased is None:
            work = partial(_erase, delivery=delivery, locks=locks, who=who, names=names, dry_run=dry_run)
            try:
                erased = await self._database.transaction(work)
            except LockSetTooSmallError as error:
                locks |= error.missing
            except _DryRunError as done:
                erased = done.erased
        return erased


class _DryRunError(Exception):
    """Everything went well, and is rolled back."""

    def __init__(self, erased: ErasedRows) -> None:
        super().__init__()
        self.erased = erased


async def _erase(
    connection: asyncpg.Connection,
    *,
    delivery: Delivery,
    locks: LockSet,
    who: str,
    names: Collection[str],
    dry_run: bool,
) -> ErasedRows:
    deletion = delivery.event
    before = await connection.fetch(_PERSON, deletion.customer_id)
    await batch.apply(connection, deliveries=[delivery], locks=locks)

    evidence = tombstone_evidence(deletion.version)  # type: ignore[union-attr] # no notice
    rows = await connection.fetch(_CUSTOMER, deletion.customer_id, deletion.id, deletion.created, evidence)
    user_ids = [row["user_id"] for row in rows]
    owned: Objects = {}
    for kind, table in TABLES.items():
        erase = query_of("forget_objects", kind)
        found = await table.lock(connection, (), of_users=user_ids)
        for row in found.values():
            await connection.execute(erase, row.row_id, without_personal_data(kind, row.known.evidence))
        owned |= found

    await kept_objects.erase(connection, user_ids)

    whose = [deletion.customer_id, *owned]
    letters = await dead_letters.erase(connection, whose=whose, who=who, why=FORGOTTEN)
    own = await connection.fetch(_OWN_REASONS, whose, FORGOTTEN)
    named = await connection.fetch(_NAMED_REASONS, list(names))
    notices = await connection.fetch(_NOTICES, whose)
    waiting = {
        notice["object_id"] for notice in notices if notice["waits"]
    }  # the rows lack what Stripe was to answer
    if any(row["deleted_in_stripe"] for row in before):
        await connection.execute(_DELETED_IN_STRIPE, deletion.customer_id)
        waiting |= {
            id_
            for id_, row in owned.items()
            if outlives_its_customer(row.kind, row.columns, row.known.evidence)
        }
    for kind, table in TABLES.items():
        doubted = [row.row_id for id_, row in owned.items() if id_ in waiting and row.kind is kind]
        await table.mark_unsure(connection, doubted)
    erased = ErasedRows(
        users=len(before),
        objects=len(owned),
        roles=sum(row["roles"] for row in before),
        letters=letters,
        notices=len(notices),
        reasons=len(own) + len(named),
    )
    if dry_run:
        raise _DryRunError(erased)
    return erased


def names_in(body: bytes | None) -> set[str]:
    """Find the strings that name the person in the body of a customer's event; none in a body that cannot be read."""
    found: set[str] = set()
    if body is None:
        return found
    with contextlib.suppress(ValueError, RecursionError):
        data = strict_json.read_loosely(body).get("data")
        object_ = data.get("object") if isinstance(data, dict) else None
        if isinstance(data, dict) and isinstance(object_, dict) and object_.get("object") == CUSTOMER.name:
            parts = (object_, object_.get("shipping"), data.get("previous_attributes"))
            found = {text for part in parts for text in _texts(part)}
    return found


def worth_looking_for(names: Iterable[str]) -> frozenset[str]:
    """Leave out names that are too short to be searched for."""
    tidy = (name.strip() for name in names)
    return frozenset(name for name in tidy if len(name) >= SHORTEST_NAME)


def is_named_in(text: str, names: Iterable[str]) -> bool:
    """Tell whether a text names the person, in upper or lower case."""
    return any(name in text or name.casefold() in text.casefold() for name in names)


def _texts(part: Any) -> list[str]:
    if not isinstance(part, dict):
        return []
    return [value for name in NAMING if isinstance(value := part.get(name), str)]
