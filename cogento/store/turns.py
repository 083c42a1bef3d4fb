"""Work that one process at a time may do: a name, and whoever takes it first.

A turn ends with its connection, so a process that dies or loses it holds nobody up.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.queries import query

if TYPE_CHECKING:
    import asyncpg

    from cogento.store.database import Database

_TAKE = query("turn_take")
_END = query("turn_end")


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that was taken; keeps a connection of the pool until it ends."""

    name: str
    connection: asyncpg.Connection
    borrowed: AsyncExitStack

    async def end(self) -> None:
        """Let the next one have it."""
        async with self.borrowed:
            await self.connection.execute(_END, self.name)


async def take(database: Database, name: str) -> Turn | None:
    """Take a turn; None when another process has it."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(database.connection())
        if await connection.fetchval(_TAKE, name):
            return Turn(name, connection, stack.pop_all())
    return None
