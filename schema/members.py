"""The role member, where it follows from subscriptions (MEMBER_STATUSES): granted and taken with the rows.

All of a user's subscriptions count, under the lock of the user's row. Roles granted by hand are left alone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    import asyncpg

    from schema.database import Database

PAGE = 1000

_FOLLOW = query("members_follow")
_PAGE = query("members_page")


async def follow(
    connection: asyncpg.Connection, user_ids: Collection[UUID], statuses: Collection[str]
) -> None:
    """Bring the role up to date for users whose rows are locked; without statuses the feature is off."""
    if user_ids and statuses:
        await connection.execute(_FOLLOW, list(user_ids), list(statuses))


async def refresh(database: Database, statuses: Collection[str]) -> None:
    """Bring the role up to date for everybody: after the statuses were changed, or there are none any more."""
    last: str | None = ""
    while last is not None:
        last = await database.transaction(partial(_refresh_page, after=last, statuses=statuses))


async def _refresh_page(
    connection: asyncpg.Connection, *, after: str, statuses: Collection[str]
) -> str | None:
    """Do the users after one; the last of them is returned, None when there was none."""
    rows = await connection.fetch(_PAGE, after, PAGE)
    await connection.execute(_FOLLOW, [row["user_id"] for row in rows], list(statuses))
    return rows[-1]["stripe_customer_id"] if rows else None
