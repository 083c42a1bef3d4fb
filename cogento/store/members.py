"""The role member, where it follows from subscriptions (MEMBER_STATUSES): granted and taken with the rows.

Which statuses make a member stands in the database, so that it is one thing for all that write rows, whatever their
own environment says (docs/decisions/0029). All of a user's subscriptions count, under the lock of the user's row. Roles granted by hand are left alone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    import asyncpg

    from cogento.store.database import Database

PAGE = 1000

_DECIDE = query("members_decide")
_DECIDED = query("members_decided")
_FOLLOW = query("members_follow")
_PAGE = query("members_page")


async def decide(database: Database, statuses: Collection[str]) -> frozenset[str] | None:
    """Say which statuses make a member from now on, in every process; returns those of before if they were others.

    None of them: roles are left alone.
    """
    rows = await database.write(_DECIDE, sorted(statuses))
    return frozenset(rows[0]["statuses_before"] or ()) if rows else None


async def follow(connection: asyncpg.Connection, user_ids: Collection[UUID]) -> None:
    """Bring the role up to date for users whose rows are locked."""
    if user_ids:
        await connection.execute(_FOLLOW, list(user_ids))


async def refresh(database: Database) -> None:
    """Bring the role up to date for everybody, after the statuses were changed; without statuses nothing is read."""
    last: str | None = "" if await database.fetch(_DECIDED) else None
    while last is not None:
        last = await database.transaction(partial(_refresh_page, after=last))


async def _refresh_page(connection: asyncpg.Connection, *, after: str) -> str | None:
    """Do the users after one; the last of them is returned, None when there was none."""
    rows = await connection.fetch(_PAGE, after, PAGE)
    await follow(connection, [row["user_id"] for row in rows])
    return rows[-1]["stripe_customer_id"] if rows else None
