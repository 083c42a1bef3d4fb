"""What users may do: granted and revoked by hand, by the address they sign in with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
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

_GRANT = query("roles_grant")
_REVOKE = query("roles_revoke")
_LIST = query("roles_list")
_REMOVE_ALL = query("roles_remove_all")


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
