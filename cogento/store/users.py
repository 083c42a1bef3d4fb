"""Rows of `users`: locked, made and changed, many with one statement.

A batch learns only under its locks which others it concerns: the claimants of an address that a customer takes or
leaves, the owner of a subscription that moved. Then it locks these without waiting, or, where another transaction holds one,
starts again with a larger lock set. So nobody waits out of order, and there are no deadlocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from cogento.events.addresses import EmailClaim, claimed_address
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.names import CustomerId, EventId
from cogento.ordering.order import LAG_SECONDS, CurrentRow, Decision
from cogento.store.rows import canonical, needs_update, write
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    import asyncpg


_LOCK = query("users_lock")
_LOCK_WITH_CLAIMANTS = query("users_lock_with_claimants")
_JOIN_CLAIMANTS = query("users_join_claimants")
_SET_EMAIL = query("users_set_email")
_SET_LIVES_IN_STRIPE = query("users_set_lives_in_stripe")
_UPDATE = query("users_update")
_INSERT = query("users_insert")


@dataclass(frozen=True, slots=True)
class LockSet:
    """What a batch's transaction locks from its start: customers' rows, and the rows of the claimants of addresses."""

    customers: frozenset[CustomerId] = frozenset()
    addresses: frozenset[str] = frozenset()

    def __or__(self, other: LockSet) -> LockSet:
        """Lock everything that either locks."""
        return LockSet(self.customers | other.customers, self.addresses | other.addresses)

    def __le__(self, other: LockSet) -> bool:
        """Whether the other one locks everything that this one does."""
        return self.customers <= other.customers and self.addresses <= other.addresses


class LockSetTooSmallError(Exception):
    """The batch concerns more than its transaction has locked; it must run again and lock `missing` as well."""

    def __init__(self, missing: LockSet) -> None:
        super().__init__("the batch concerns rows that its transaction has not locked")
        self.missing = missing


class UserRow(msgspec.Struct, frozen=True):
    """A customer's row as locked: `email` is the address to sign in with, `claim` the one it has in Stripe.

    `claimed` is what the row's own column says of that claim; a release without the column does not update it.
    """

    user_id: UUID
    email: str
    claim: EmailClaim
    claimed: str | None
    record: asyncpg.Record

    @property
    def is_forgotten(self) -> bool:
        """Whether the person was erased, and nothing personal may be written again."""
        return bool(self.record["forgotten"])

    @property
    def lives_in_stripe(self) -> bool:
        """Whether the row is deleted only because the person was forgotten: Stripe has not said that the customer is deleted."""
        return bool(self.record["lives_in_stripe"])

    def lives_if_subscribed(self, second: int) -> bool:
        """Whether this forgotten customer must live in Stripe, if a subscription has not ended there at that second.

        Deleting a customer ends its subscriptions at once, and no copy of Stripe's lags by more than LAG_SECONDS.
        """
        return (
            self.is_forgotten and self.claim.deleted and second > self.record["deleted_second"] + LAG_SECONDS
        )

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else made it, and no event of a customer has ever written to it."""
        return self.record["evidence"] is None and self.claim.stripe_email is None

    def known(self) -> CurrentRow:
        """What the row shows and remembers of its order; read only for customers that have events of their own.

        A row that was not made by us has no evidence of its order.
        """
        record = self.record
        columns = CustomerColumns(
            stripe_email=self.claim.stripe_email,
            name=record["name"],
            phone=record["phone"],
            address=canonical(record["address"]),
            metadata=canonical(record["metadata"]) or "{}",
            stripe_created_at=self.claim.stripe_created_at,
            deleted=self.claim.deleted,
        )
        return CurrentRow(
            evidence=record["evidence"] or b"",
            last_event_id=EventId(record["last_webhook_event_id"] or ""),
            columns=columns,
        )


class UserChange(msgspec.Struct, frozen=True):
    """What is decided for a customer; without `row` it is new, and `user_id` its future user's.

    `lives_in_stripe` says that the customer is deleted only because the person was forgotten (UserRow.lives_in_stripe).
    """

    customer_id: CustomerId
    user_id: UUID
    row: UserRow | None
    known: CurrentRow | None
    decision: Decision
    lives_in_stripe: bool = False

    @property
    def columns(self) -> CustomerColumns:
        """What the row is to show."""
        return cast("CustomerColumns", self.decision.columns)

    @property
    def claim(self) -> EmailClaim:
        """The address that the customer has in Stripe after the batch."""
        shows = self.columns
        return EmailClaim(self.customer_id, shows.stripe_email, shows.stripe_created_at, shows.deleted)

    @property
    def needs_update(self) -> bool:
        """Whether a known row has to be written at all."""
        return (
            self.row is not None
            and self.known is not None
            and needs_update(self.decision, self.known, unsure=self.row.record["unsure"])
        )


Users = dict[CustomerId, UserRow]


async def lock(connection: asyncpg.Connection, locks: LockSet) -> Users:
    """Lock the rows of the lock set, in the order that all transactions keep."""
    customers = list(locks.customers)
    if not locks.addresses:
        return _by_customer(await connection.fetch(_LOCK, customers))
    return _by_customer(await connection.fetch(_LOCK_WITH_CLAIMANTS, customers, list(locks.addresses)))


async def join_claimants(connection: asyncpg.Connection, addresses: Collection[str]) -> Users:
    """Lock the rows of all who have these addresses; raises LockNotAvailableError at once if another transaction holds one."""
    return _by_customer(await connection.fetch(_JOIN_CLAIMANTS, list(addresses)))


async def set_emails(connection: asyncpg.Connection, moved: Sequence[tuple[UserRow, str]]) -> None:
    """Give rows the address to sign in with; each must be free."""
    rows, emails = zip(*moved, strict=True) if moved else ((), ())
    values = {
        "user_id": [row.user_id for row in rows],
        "email": emails,
        "claimed_email": [claimed_address(row.claim) for row in rows],
    }
    await write(connection, _SET_EMAIL, values)


async def update(connection: asyncpg.Connection, changes: Sequence[UserChange]) -> None:
    """Write known customers; their sign-in addresses are left alone."""
    values = _values(changes)
    before = [cast("CustomerColumns", change.known.columns) for change in changes if change.known]
    values["metadata"] = [
        None if known.metadata == metadata else metadata
        for known, metadata in zip(before, values["metadata"], strict=True)
    ]
    await write(connection, _UPDATE, values)


async def insert(
    connection: asyncpg.Connection, changes: Sequence[UserChange], emails: Mapping[CustomerId, str]
) -> None:
    """Make rows for new customers, in the order that keeps two makers of the same rows from a deadlock."""
    ordered = sorted(changes, key=lambda change: change.customer_id)
    ids = [change.customer_id for change in ordered]
    values = {**_values(ordered), "stripe_customer_id": ids, "email": [emails[id_] for id_ in ids]}
    await write(connection, _INSERT, values)


async def set_lives_in_stripe(
    connection: asyncpg.Connection, changes: Sequence[UserChange], *, found_alive: Collection[UUID]
) -> None:
    """Write which of the customers live in Stripe though they are deleted here; nearly every batch changes none."""
    changed = [
        one for one in changes if one.lives_in_stripe is not (one.row is not None and one.row.lives_in_stripe)
    ]
    values: dict[str, Sequence[object]] = {
        "user_id": [*(change.user_id for change in changed), *found_alive],
        "lives_in_stripe": [*(change.lives_in_stripe for change in changed), *(True for _ in found_alive)],
    }
    await write(connection, _SET_LIVES_IN_STRIPE, values)


def _values(changes: Sequence[UserChange]) -> dict[str, Sequence[object]]:
    """Give the values that both statements write, by the names that they use."""
    shows = [change.columns for change in changes]
    decisions = [change.decision for change in changes]
    return {
        "user_id": [change.user_id for change in changes],
        "stripe_email": [one.stripe_email for one in shows],
        "name": [one.name for one in shows],
        "phone": [one.phone for one in shows],
        "address": [one.address for one in shows],
        "metadata": [one.metadata for one in shows],
        "stripe_created_at": [one.stripe_created_at for one in shows],
        "shown_created": [one.last_event_created for one in decisions],
        "shown": [one.last_event_id for one in decisions],
        "deleted": [one.deleted for one in shows],
        "evidence": [one.evidence for one in decisions],
        "unsure": [not one.sure for one in decisions],
        "claimed_email": [claimed_address(change.claim) for change in changes],
    }


def _by_customer(rows: list[Any]) -> Users:
    return {CustomerId(row["stripe_customer_id"]): _row(row) for row in rows}


def _row(record: asyncpg.Record) -> UserRow:
    return UserRow(
        user_id=record["user_id"],
        email=record["email"],
        claim=EmailClaim(
            customer_id=CustomerId(record["stripe_customer_id"]),
            stripe_email=record["stripe_email"],
            stripe_created_at=record["stripe_created_at"],
            deleted=record["deleted"],
        ),
        claimed=record["claimed_email"],
        record=record,
    )
