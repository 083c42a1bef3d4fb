"""Which row shows which address to sign in with, while others may be changing theirs.

Addresses are in their canonical form throughout. The rule is cogento/events/addresses.py; this brings it everybody who has a say. Whoever changes a claim on an
address first holds that address (an advisory lock on its bucket, until the transaction ends), so that its
claimants cannot change meanwhile, wherever they are being worked on.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from cogento.events.addresses import EmailClaim, assign_addresses, claimed_address, placeholder
from cogento.events.errors import PermanentError
from cogento.events.letters import LetterReason
from cogento.store import users as user_rows
from cogento.store.reach import OutOfReachError, Reach
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cogento.events.names import CustomerId
    from cogento.store.users import UserChange, UserRow, Users

BUCKETS = 4096
"""Bounds the locks that all transactions together can hold, far below what the server has room for."""

_LOCK_CLASS = 0xC06E
_HOLD = query("addresses_hold")
_TRY_HOLD = query("addresses_try_hold")


class AddressTakenError(PermanentError):
    """The address is that of a row which somebody else made: whose account it is, only a person can say."""

    def __init__(self, row: UserRow) -> None:
        super().__init__(
            LetterReason.ADDRESS_TAKEN,
            f"The row of users with the user_id {row.user_id}, which no event made, has the customer's address.",
        )


@dataclass(frozen=True, slots=True)
class Holders:
    """The addresses of new customers, and of the known rows whose address changes."""

    new: Mapping[CustomerId, str]
    moved: tuple[tuple[UserRow, str], ...]


async def hold(connection: asyncpg.Connection, reach: Reach) -> None:
    """Wait for the addresses within reach; before any row is locked."""
    if reach.addresses:
        await connection.execute(_HOLD, _LOCK_CLASS, _buckets(reach.addresses))


async def choose(
    connection: asyncpg.Connection,
    changes: Sequence[UserChange],
    users: Users,
    reach: Reach,
    *,
    doubted: Collection[CustomerId] = (),
) -> Holders:
    """Say who shows which address once `changes` are written; `doubted` rows may show a wrong one now.

    Most batches change no claim and cost nothing here. Raises OutOfReachError when somebody else is
    changing a claim on one of the addresses, AddressTakenError when one is that of a row which no event made.
    """
    moving = [
        change
        for change in changes
        if change.row is None or change.row.claim != change.claim or change.customer_id in doubted
    ]
    if not moving:
        return Holders(new={}, moved=())
    addresses = _addresses(moving)
    if missing := addresses - reach.addresses:
        users = {**users, **await _join(connection, missing, new=_new(changes))}
    concerned = {change.customer_id for change in moving}
    astray = [row for row in _squatters(users, addresses) if row.claim.customer_id not in concerned]
    if theirs := frozenset(filter(None, (claimed_address(row.claim) for row in astray))) - addresses:
        if not theirs <= reach.addresses:
            raise OutOfReachError(Reach(addresses=theirs))
        addresses |= theirs
    concerned |= {row.claim.customer_id for row in astray if not row.is_foreign}
    decided = {change.customer_id: change.claim for change in changes}
    chosen = _compare(concerned, addresses, users, decided)
    _spare_foreigners(chosen, astray)
    return chosen


async def mend(
    connection: asyncpg.Connection, customers: Collection[CustomerId], addresses: Collection[str]
) -> list[AddressTakenError]:
    """Let rows show what all claims come to, of these customers and of all who have these addresses.

    Nothing is left to decide. Rows whose address is that of a row which no event made stay as they are, and are told of.
    """
    reach = Reach(customers=frozenset(customers), addresses=frozenset(addresses))
    await hold(connection, reach)
    users = await user_rows.lock(connection, reach)
    due = _compare(reach.customers, reach.addresses, users, {})
    foreign = {row.email: row for row in _squatters(users, reach.addresses) if row.is_foreign}
    free = tuple((row, email) for row, email in due.moved if email not in foreign)
    await write(connection, Holders(new={}, moved=free))
    return [AddressTakenError(foreign[email]) for _, email in due.moved if email in foreign]


async def write(connection: asyncpg.Connection, holders: Holders) -> None:
    """Move addresses between known rows.

    Every address that somebody else is to show is released first: uniqueness is checked row by row, and
    addresses may be swapped.
    """
    wanted = {*holders.new.values(), *(email for _, email in holders.moved)}
    leaving = [(row, placeholder(row.claim.customer_id)) for row, _ in holders.moved if row.email in wanted]
    left = {row.user_id: email for row, email in leaving}
    final = [(row, email) for row, email in holders.moved if left.get(row.user_id) != email]
    await user_rows.set_emails(connection, leaving)
    await user_rows.set_emails(connection, final)


async def _join(connection: asyncpg.Connection, addresses: frozenset[str], *, new: set[CustomerId]) -> Users:
    """Take the addresses and their claimants' rows now or not at all: rows are locked already.

    A claimant that was new to us, and that somebody else has made meanwhile, has to be decided again.
    """
    claimants = await _claimants_if_free(connection, addresses)
    if claimants is None or new & claimants.keys():
        raise OutOfReachError(Reach(addresses=addresses))
    return claimants


async def _claimants_if_free(connection: asyncpg.Connection, addresses: frozenset[str]) -> Users | None:
    try:
        if await connection.fetchval(_TRY_HOLD, _LOCK_CLASS, _buckets(addresses)):
            return await user_rows.join_claimants(connection, addresses)
    except asyncpg.LockNotAvailableError:
        return None
    return None


def _new(changes: Iterable[UserChange]) -> set[CustomerId]:
    return {change.customer_id for change in changes if change.row is None}


def _buckets(addresses: Iterable[str]) -> list[int]:
    return sorted({zlib.crc32(address.encode()) % BUCKETS for address in addresses})


def _addresses(moving: Iterable[UserChange]) -> frozenset[str]:
    """Name every address that somebody takes, leaves, or becomes another age for."""
    claims = [change.row.claim for change in moving if change.row] + [change.claim for change in moving]
    return frozenset(address for claim in claims if (address := claimed_address(claim)))


def _squatters(users: Users, addresses: Collection[str]) -> list[UserRow]:
    """Find rows that show one of these addresses and have no claim on it: a hand has been in the table."""
    return [
        row for row in users.values() if row.email in addresses and claimed_address(row.claim) != row.email
    ]


def _spare_foreigners(chosen: Holders, astray: Iterable[UserRow]) -> None:
    """Never hand over an account: a row that no event made keeps its address."""
    given = {*chosen.new.values(), *(email for _, email in chosen.moved)}
    for row in astray:
        if row.is_foreign and row.email in given:
            raise AddressTakenError(row)


def _compare(
    concerned: Collection[CustomerId],
    addresses: frozenset[str],
    users: Users,
    decided: dict[CustomerId, EmailClaim],
) -> Holders:
    """Assign the addresses among all who have a say, and say what is different from the rows."""
    claims = {id_: row.claim for id_, row in users.items()} | decided
    shown = assign_addresses(
        claim for id_, claim in claims.items() if id_ in concerned or claimed_address(claim) in addresses
    )
    return Holders(
        new={id_: email for id_, email in shown.items() if id_ not in users},
        moved=tuple(
            (users[id_], email) for id_, email in shown.items() if id_ in users and _is_off(users[id_], email)
        ),
    )


def _is_off(row: UserRow, email: str) -> bool:
    """Whether a row shows another address than it shall, or has lost sight of its claim."""
    return row.email != email or row.claimed != claimed_address(row.claim)
