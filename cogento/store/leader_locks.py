"""Locks on work that one process at a time may do: advisory locks of PostgreSQL, which end with their connection.

So a process that dies, or loses its connection, holds nobody up.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cogento.store.connecting import is_lost, translated
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

_TAKE = query("leader_lease_take")
_END = query("leader_lease_release")


@dataclass(frozen=True, slots=True)
class LeaderLease:
    """A lock that is held until `end`; a connection of the pool is kept as long."""

    name: str
    schema: str | None
    locks: LeaderLocks

    async def end(self) -> None:
        """Release the lock."""
        await self.locks.release(self.schema, self.name)


class LeaderLocks:
    """The locks that one process holds, in all schemas that share its connections: on one connection, kept while it holds any.

    PostgreSQL grants a session the same lock again, so what is held is noted here as well. When the connection is lost,
    so are all of its locks, and another process may take them.
    """

    def __init__(self, borrow: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._borrow = borrow
        self._one_at_a_time = asyncio.Lock()
        self._held: set[tuple[str | None, str]] = set()
        self._connection: Any = None
        self._borrowed = AsyncExitStack()

    async def acquire(self, schema: str | None, name: str) -> bool:
        """Acquire a schema's lock of this name; False when somebody has it, this process for example."""
        async with self._one_at_a_time:
            if self._connection is not None and is_lost(self._connection):
                await self._give_back()
            if (schema, name) in self._held:
                return False
            if self._connection is None:
                self._connection = await self._borrowed.enter_async_context(self._borrow())
            try:
                with translated(self._connection):
                    await self._use_schema(schema)
                    is_taken = bool(await self._connection.fetchval(_TAKE, name))
                if is_taken:
                    self._held.add((schema, name))
            finally:
                await self._give_back_if_unused()
            return is_taken

    async def release(self, schema: str | None, name: str) -> None:
        """Release a lock; one that was lost with its connection is gone already."""
        async with self._one_at_a_time:
            if (schema, name) not in self._held:
                return
            self._held.discard((schema, name))
            try:
                with translated(self._connection):
                    await self._use_schema(schema)
                    await self._connection.execute(_END, name)
            finally:
                await self._give_back_if_unused()

    async def _use_schema(self, schema: str | None) -> None:
        if schema is not None:
            await self._connection.use_schema(schema)

    async def _give_back_if_unused(self) -> None:
        if not self._held:
            await self._give_back()

    async def _give_back(self) -> None:
        self._held.clear()
        self._connection = None
        borrowed, self._borrowed = self._borrowed, AsyncExitStack()
        await borrowed.aclose()
