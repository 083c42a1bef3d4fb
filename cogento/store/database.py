"""One pool of connections, and the only way to a transaction: it runs again when it met another one.

Knows nothing of what the transactions are for.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from cogento.retries import POLICIES, FailureClass, next_delay
from cogento.store.connecting import CONNECT_SECONDS, open_pool
from cogento.store.errors import (
    LedgerRacedError,
    PostgresSilentError,
    PostgresUnavailableError,
    as_refusal,
    classify,
)
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

T = TypeVar("T")

_TAKE = query("leader_lease_take")
_END = query("leader_lease_release")
_PLAN_ANEW = "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '16MB'"

ACQUIRE_SECONDS = CONNECT_SECONDS + 5.0
CLOSE_SECONDS = 5.0

MAY_BE_CONTENTION = (asyncpg.PostgresError, asyncpg.OutdatedSchemaCacheError, LedgerRacedError)


class Database:
    """A pool; every error that comes out of it says by its type or SQLSTATE whose fault it was."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, database_url: str, *, pool_size: int, application_name: str) -> Database:
        """Open a pool of at most `pool_size` connections; Postgres may be away."""
        return cls(await open_pool(database_url, pool_size=pool_size, application_name=application_name))

    async def close(self) -> None:
        """Close every connection; those still busy after a moment are cut."""
        try:
            await asyncio.wait_for(self._pool.close(), CLOSE_SECONDS)
        except TimeoutError:
            self._pool.terminate()

    async def renew(self) -> None:
        """Have every connection made anew before it is used again."""
        await self._pool.expire_connections()

    async def fetch(self, statement: str, *parameters: object) -> list[Any]:
        """Read, outside of a transaction."""
        async with self.connection() as connection:
            return await connection.fetch(statement, *parameters)  # type: ignore[no-any-return]

    async def search(self, statement: str, *parameters: object) -> list[Any]:
        """Read by terms of which any may be NULL: the plan is made for those that are given, which takes a millisecond.

        The plan that a session keeps holds for all terms, and so finds nothing by an index. What is counted on the way
        finds room in memory.
        """

        async def work(connection: asyncpg.Connection) -> list[Any]:
            await connection.execute(_PLAN_ANEW)
            return await connection.fetch(statement, *parameters)  # type: ignore[no-any-return]

        return await self.transaction(work)

    async def write(self, statement: str, *parameters: object) -> list[Any]:
        """Run one statement that writes, as a transaction of its own."""

        async def work(connection: asyncpg.Connection) -> list[Any]:
            return await connection.fetch(statement, *parameters)  # type: ignore[no-any-return]

        return await self.transaction(work)

    async def transaction(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run `work` in one transaction and commit it.

        When it met another transaction (deadlock, serialization, lock timeout, a row made twice, a plan
        from before a migration) all of it runs again, at most five times in all. A connection lost during
        COMMIT is an error although the transaction may have been committed.
        """
        for attempt in range(1, int(POLICIES[FailureClass.CONTENTION].attempts_limit)):
            try:
                return await self._once(work)
            except MAY_BE_CONTENTION as error:
                if classify(error) is not FailureClass.CONTENTION:
                    raise
                jitter = random.random()  # noqa: S311 - not a secret
                await asyncio.sleep(next_delay(FailureClass.CONTENTION, attempt, jitter=jitter))
        return await self._once(work)

    async def _once(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async with self.connection() as connection, connection.transaction():
            return await work(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection, and tell its loss from a mistake of ours."""
        connection = await self._acquire()
        try:
            yield connection
        except TimeoutError as error:
            raise PostgresSilentError("Postgres did not answer in time") from error
        except asyncpg.InternalClientError as error:
            # The driver lost its place: the server has said goodbye, and its end of the wire was not seen yet.
            with suppress(asyncpg.InterfaceError):  # it has left the pool already
                connection.terminate()
            raise PostgresUnavailableError("the connection to Postgres was lost") from error
        except asyncpg.InterfaceError as error:
            if _is_lost(connection):
                raise PostgresUnavailableError("the connection to Postgres was lost") from error
            raise
        finally:
            await self._pool.release(connection)

    async def _acquire(self) -> asyncpg.Connection:
        try:
            return await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except TimeoutError as error:
            raise PostgresSilentError("no connection to Postgres became free in time") from error
        except Exception as error:
            raise as_refusal(error) from error


@dataclass(frozen=True, slots=True)
class LeaderLease:
    """The lock on work that one process at a time may do; keeps a connection of the pool until it ends.

    It ends with its connection, so a process that dies or loses it holds nobody up.
    """

    name: str
    connection: asyncpg.Connection
    borrowed: AsyncExitStack

    async def end(self) -> None:
        """Release the lock."""
        async with self.borrowed:
            await self.connection.execute(_END, self.name)


async def try_leader_lease(database: Database, name: str) -> LeaderLease | None:
    """Take the lock of this name; None when another process has it."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(database.connection())
        if await connection.fetchval(_TAKE, name):
            return LeaderLease(name, connection, stack.pop_all())
    return None


def _is_lost(connection: asyncpg.Connection) -> bool:
    """Ask a borrowed connection; one that was lost has left the pool, and then answers nothing at all."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True
