"""Which row shows which address to sign in with, while others may be changing theirs.

The rule is events/addresses.py; this brings it everybody who has a say. Whoever changes a claim on an
address first holds that address (an advisory lock on its bucket, until the transaction ends), so that its
claimants cannot change meanwhile, wherever they are being worked on.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from events.addresses import Claim, assign_addresses, claimed_address, placeholder
from schema import users as user_rows
from schema.queries import query
from schema.reach import OutOfReachError, Reach

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from events.names import CustomerId
    from schema.users import UserChange, UserRow, Users

BUCKETS = 4096
"""Bounds the locks that all transactions together can hold, far below what the server has room for."""

_LOCK_CLASS = 0xC06E
_HOLD = query("addresses_hold")
_TRY_HOLD = query("addresses_try_hold")


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
    changing a claim on one of the addresses.
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
    return _compare(moving, addresses, users, {change.customer_id: change.claim for change in changes})


async def write(connection: asyncpg.Connection, holders: Holders) -> None:
    """Move addresses between known rows.

    Every address that somebody else is to show is released first: uniqueness is checked row by row, and
    addresses may be swapped.
    """
    wanted = {*holders.new.values(), *(email for _, email in holders.moved)}
    leaving = {
        row.user_id: placeholder(row.claim.customer_id) for row, _ in holders.moved if row.email in wanted
    }
    final = {row.user_id: email for row, email in holders.moved if leaving.get(row.user_id) != email}
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


def _compare(
    moving: Iterable[UserChange],
    addresses: frozenset[str],
    users: Users,
    decided: dict[CustomerId, Claim],
) -> Holders:
    """Assign the addresses among all who have a say, and say what is different from the rows."""
    claims = {id_: row.claim for id_, row in users.items()} | decided
    concerned = {change.customer_id for change in moving}
    shown = assign_addresses(
        claim for id_, claim in claims.items() if id_ in concerned or claimed_address(claim) in addresses
    )
    return Holders(
        new={id_: email for id_, email in shown.items() if id_ not in users},
        moved=tuple(
            (users[id_], email) for id_, email in shown.items() if id_ in users and users[id_].email != email
        ),
    )
