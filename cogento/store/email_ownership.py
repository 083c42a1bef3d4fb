"""Which row shows which address to sign in with, while other transactions may be changing theirs.

Addresses are in their canonical form throughout. The rule is in cogento/events/addresses.py; this module finds every
claimant of an address. Whoever changes a claim on an address first locks it (an advisory lock on its bucket, until the
transaction ends), so that its claimants cannot change meanwhile, wherever their events are processed.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from cogento.events.addresses import EmailClaim, assign_addresses, claimed_address, placeholder
from cogento.events.errors import PermanentError
from cogento.events.event import Event
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.letters import LetterReason
from cogento.events.names import CustomerId
from cogento.ordering.rules import is_creation
from cogento.store import users as user_rows
from cogento.store.users import LockSet, LockSetTooSmallError
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cogento.events.event import Notice
    from cogento.store.database import Database
    from cogento.store.users import UserChange, UserRow, Users

BUCKETS = 4096
"""Bounds the locks that all transactions together can hold, far below what the server has room for."""

_LOCK_CLASS = 0xC06E
_LOCK = query("emails_lock")
_TRY_LOCK = query("emails_try_lock")
_CLAIMS = query("repair_email_claims")

PAGE = 1000


class AddressTakenError(PermanentError):
    """The address belongs to a row that no event made: only a person can say whose account it is."""

    def __init__(self, row: UserRow) -> None:
        super().__init__(
            LetterReason.ADDRESS_TAKEN,
            f"The row of users with the user_id {row.user_id}, which no event made, has the customer's address.",
        )


@dataclass(frozen=True, slots=True)
class EmailAssignment:
    """The addresses of new customers, and of the known rows whose address changes."""

    new: Mapping[CustomerId, str]
    reassigned: tuple[tuple[UserRow, str], ...]


def emails_of_new(events: Iterable[Event | Notice]) -> frozenset[str]:
    """Name the addresses that new customers among these events claim; a batch locks them from the start.

    Two batches that each make hundreds nearly always meet in a bucket: to learn that under other locks would be to begin again.
    """
    claims = (
        EmailClaim(
            event.customer_id,
            event.columns.stripe_email,
            event.columns.stripe_created_at,
            event.columns.deleted,
        )
        for event in events
        if isinstance(event, Event)
        and isinstance(event.columns, CustomerColumns)
        and is_creation(event.version)
    )
    return frozenset(address for claim in claims if (address := claimed_address(claim)))


async def lock_emails(connection: asyncpg.Connection, locks: LockSet) -> None:
    """Lock the addresses of the lock set; before any row is locked."""
    if locks.addresses:
        await connection.execute(_LOCK, _LOCK_CLASS, _buckets(locks.addresses))


async def resolve_emails(
    connection: asyncpg.Connection,
    changes: Sequence[UserChange],
    users: Users,
    locks: LockSet,
    *,
    force_recheck: Collection[CustomerId] = (),
) -> EmailAssignment:
    """Say who shows which address once `changes` are written; `force_recheck` rows may show a wrong one now.

    Most batches change no claim and cost nothing here. Raises LockSetTooSmallError when somebody else is
    changing a claim on one of the addresses, AddressTakenError when one belongs to a row that no event made.
    """
    changing = [
        change
        for change in changes
        if change.row is None or change.row.claim != change.claim or change.customer_id in force_recheck
    ]
    if not changing:
        return EmailAssignment(new={}, reassigned=())
    addresses = _addresses(changing)
    if missing := addresses - locks.addresses:
        users = {
            **users,
            **await _join(
                connection, missing, new={change.customer_id for change in changes if change.row is None}
            ),
        }
    concerned = {change.customer_id for change in changing}
    astray = [row for row in _squatters(users, addresses) if row.claim.customer_id not in concerned]
    if theirs := frozenset(filter(None, (claimed_address(row.claim) for row in astray))) - addresses:
        if not theirs <= locks.addresses:
            raise LockSetTooSmallError(LockSet(addresses=theirs))
        addresses |= theirs
    concerned |= {row.claim.customer_id for row in astray if not row.is_foreign}
    decided = {change.customer_id: change.claim for change in changes}
    chosen = _compare(concerned, addresses, users, decided)
    given = {*chosen.new.values(), *(email for _, email in chosen.reassigned)}
    for row in astray:
        if row.is_foreign and row.email in given:
            raise AddressTakenError(row)  # never hand over an account that no event made
    return chosen


async def repair_emails(
    connection: asyncpg.Connection, customers: Collection[CustomerId], addresses: Collection[str]
) -> list[AddressTakenError]:
    """Make the rows of these customers, and of all who have these addresses, show what all claims come to.

    It decides everything at once. A row whose address belongs to a row that no event made stays as it is, and is returned.
    """
    locks = LockSet(customers=frozenset(customers), addresses=frozenset(addresses))
    await lock_emails(connection, locks)
    users = await user_rows.lock(connection, locks)
    due = _compare(locks.customers, locks.addresses, users, {})
    foreign = {row.email: row for row in _squatters(users, locks.addresses) if row.is_foreign}
    free = tuple((row, email) for row, email in due.reassigned if email not in foreign)
    await write_emails(connection, EmailAssignment(new={}, reassigned=free))
    return [AddressTakenError(foreign[email]) for _, email in due.reassigned if email in foreign]


async def repair_all_emails(database: Database) -> list[AddressTakenError]:
    """Repair rows that an older release wrote, a page at a time, by the rules of every batch; twice is harmless.

    Every row then claims its address in the canonical form, and the oldest one shows it. Returns the conflicts that only a person can resolve.
    """
    taken: list[AddressTakenError] = []
    after = ""
    while rows := await database.fetch(_CLAIMS, after, PAGE):
        after = rows[-1]["stripe_customer_id"]
        off = [claim for row in rows if _needs_repair(row, claim := _claim(row))]
        if off:
            customers = [claim.customer_id for claim in off]
            addresses = [address for claim in off if (address := claimed_address(claim))]
            taken += await database.transaction(
                partial(repair_emails, customers=customers, addresses=addresses)
            )
    return taken


async def write_emails(connection: asyncpg.Connection, assignment: EmailAssignment) -> None:
    """Move addresses between known rows.

    Every address that somebody else is to show is released first: uniqueness is checked row by row, and
    addresses may be swapped.
    """
    wanted = {*assignment.new.values(), *(email for _, email in assignment.reassigned)}
    leaving = [
        (row, placeholder(row.claim.customer_id)) for row, _ in assignment.reassigned if row.email in wanted
    ]
    left = {row.user_id: email for row, email in leaving}
    final = [(row, email) for row, email in assignment.reassigned if left.get(row.user_id) != email]
    await user_rows.set_emails(connection, leaving)
    await user_rows.set_emails(connection, final)


async def _join(connection: asyncpg.Connection, addresses: frozenset[str], *, new: set[CustomerId]) -> Users:
    """Lock the addresses and their claimants' rows without waiting, or fail: other rows are locked already.

    A claimant that was new to us, and that another transaction has made meanwhile, has to be decided again.
    """
    claimants: Users | None = None
    with suppress(asyncpg.LockNotAvailableError):
        if await connection.fetchval(_TRY_LOCK, _LOCK_CLASS, _buckets(addresses)):
            claimants = await user_rows.join_claimants(connection, addresses)
    if claimants is None or new & claimants.keys():
        raise LockSetTooSmallError(LockSet(addresses=addresses))
    return claimants


def _buckets(addresses: Iterable[str]) -> list[int]:
    return sorted({zlib.crc32(address.encode()) % BUCKETS for address in addresses})


def _addresses(changing: Iterable[UserChange]) -> frozenset[str]:
    """Name every address that a customer takes or leaves, or whose claimant's age changes."""
    claims = [change.row.claim for change in changing if change.row] + [change.claim for change in changing]
    return frozenset(address for claim in claims if (address := claimed_address(claim)))


def _squatters(users: Users, addresses: Collection[str]) -> list[UserRow]:
    """Find rows that show one of these addresses and have no claim on it: somebody edited the table."""
    return [
        row for row in users.values() if row.email in addresses and claimed_address(row.claim) != row.email
    ]


def _compare(
    concerned: Collection[CustomerId],
    addresses: frozenset[str],
    users: Users,
    decided: dict[CustomerId, EmailClaim],
) -> EmailAssignment:
    """Assign the addresses among all claimants, and return what differs from the rows."""
    claims = {id_: row.claim for id_, row in users.items()} | decided
    shown = assign_addresses(
        claim for id_, claim in claims.items() if id_ in concerned or claimed_address(claim) in addresses
    )
    return EmailAssignment(
        new={id_: email for id_, email in shown.items() if id_ not in users},
        reassigned=tuple(
            (row, email)
            for id_, email in shown.items()
            if (row := users.get(id_)) and (row.email != email or row.claimed != claimed_address(row.claim))
        ),
    )


def _claim(row: Any) -> EmailClaim:
    return EmailClaim(
        customer_id=CustomerId(row["stripe_customer_id"]),
        stripe_email=row["stripe_email"],
        stripe_created_at=None,
        deleted=row["deleted"],
    )


def _needs_repair(row: Any, claim: EmailClaim) -> bool:
    """Whether a row shows an address that no claim can give it, or records another claim than its own."""
    address = claimed_address(claim)
    return row["claimed_email"] != address or row["email"] not in {address, placeholder(claim.customer_id)}
