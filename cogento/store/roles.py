"""What users may do: roles granted and revoked by hand, and the role member, which follows from subscriptions.

Which statuses make a member (MEMBER_STATUSES) stands in the database, so that it is the same for every process that
writes rows, whatever its own environment says (docs/decisions/0029). All of a user's subscriptions count, under the
lock of the user's row. Roles granted by hand are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from cogento.events.addresses import canonical_address
from cogento.events.names import CustomerId
from schema.queries import query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection
    from uuid import UUID

    import asyncpg

    from cogento.store.database import Database

PAGE = 1000

_GRANT = query("roles_grant")
_REVOKE = query("roles_revoke")
_LIST = query("roles_list")
_REMOVE_ALL = query("roles_remove_all")
_DECIDE = query("members_decide")
_DECIDED = query("members_decided")
_FOLLOW = query("members_follow")
_PAGE = query("members_page")


class Role(StrEnum):
    """The roles there are."""

    SUPERUSER = "superuser"
    ADMIN = "admin"
    USER = "user"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class GrantedRole:
    """One role of one user; `granted_by` is "hand" or "subscription"."""

    email: str
    customer_id: CustomerId
    role: Role
    created_at: dt.datetime
    granted_by: str


class Roles:
    """Roles by e-mail address, however it is written (cogento/events/addresses.py)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def grant(self, email: str, role: Role) -> bool:
        """Grant a role; False when no live customer signs in with this address."""
        return bool(await self._database.write(_GRANT, canonical_address(email), role))

    async def revoke(self, email: str, role: Role) -> bool:
        """Take a role; False when there was none.

        One that follows from a subscription comes back with the next event of that user's subscriptions.
        """
        return bool(await self._database.write(_REVOKE, canonical_address(email), role))

    async def granted(self, email: str | None = None) -> list[GrantedRole]:
        """List the roles of one address, or all."""
        return [
            GrantedRole(
                email=row["email"],
                customer_id=CustomerId(row["stripe_customer_id"]),
                role=Role(row["role"]),
                created_at=row["created_at"],
                granted_by=row["granted_by"],
            )
            for row in await self._database.fetch(_LIST, email and canonical_address(email))
        ]


async def remove_all(connection: asyncpg.Connection, user_ids: Collection[UUID]) -> None:
    """Take every role of users deleted in Stripe, in the transaction that holds their rows."""
    if user_ids:
        await connection.execute(_REMOVE_ALL, list(user_ids))


async def set_member_statuses(database: Database, statuses: Collection[str]) -> frozenset[str] | None:
    """Set which statuses make a member, for every process; returns the earlier ones if they were others.

    With no status roles are left alone.
    """
    rows = await database.write(_DECIDE, sorted(statuses))
    return frozenset(rows[0]["statuses_before"] or ()) if rows else None


async def sync_member_role(connection: asyncpg.Connection, user_ids: Collection[UUID]) -> None:
    """Bring the role up to date for users whose rows are locked."""
    if user_ids:
        await connection.execute(_FOLLOW, list(user_ids))


async def sync_member_roles(database: Database) -> None:
    """Bring the role up to date for everybody, after the statuses were changed; without statuses nothing is read."""
    last: str | None = "" if await database.fetch(_DECIDED) else None
    while last is not None:
        last = await database.transaction(partial(_refresh_page, after=last))


async def _refresh_page(connection: asyncpg.Connection, *, after: str) -> str | None:
    """Bring a page of users up to date, those after `after`; returns the last of them, None when there was none."""
    rows = await connection.fetch(_PAGE, after, PAGE)
    await sync_member_role(connection, [row["user_id"] for row in rows])
    return rows[-1]["stripe_customer_id"] if rows else None
