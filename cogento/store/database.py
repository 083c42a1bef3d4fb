"""One pool of connections, and the only way to run a transaction, which runs again after a conflict with another one.

Knows nothing of what the transactions are for.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from cogento.database_schema import split_schema
from cogento.retries import POLICIES, FailureClass, next_delay
from cogento.store.connecting import CONNECT_SECONDS, open_pool, translated
from cogento.store.errors import (
    LedgerRacedError,
    PostgresSilentError,
    classify,
    refusals_named,
)
from cogento.store.leader_locks import LeaderLease, LeaderLocks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

T = TypeVar("T")

_PLAN_ANEW = "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '16MB'"

ACQUIRE_SECONDS = CONNECT_SECONDS + 5.0
CLOSE_SECONDS = 5.0

MAY_BE_CONTENTION = (asyncpg.PostgresError, asyncpg.OutdatedSchemaCacheError, LedgerRacedError)


class Database:
    """A pool; every error that comes out of it says by its type or SQLSTATE whose fault it was.

    Where several schemas share its connections, `schema` is the one that these transactions are in.
    """

    def __init__(
        self, pool: asyncpg.Pool, *, schema: str | None = None, locks: LeaderLocks | None = None
    ) -> None:
        self._pool = pool
        self._schema = schema
        self._locks = locks or LeaderLocks(self.connection)

    @classmethod
    async def open(
        cls, database_url: str, *, pool_size: int, application_name: str, schemas: int = 1
    ) -> Database:
        """Open a pool of at most `pool_size` connections, for so many schemas; Postgres may be away."""
        pool = await open_pool(
            database_url, pool_size=pool_size, application_name=application_name, schemas=schemas
        )
        return cls(pool, schema=split_schema(database_url)[1] if schemas > 1 else None)

    def in_schema(self, schema: str) -> Database:
        """Return the same connections for another of their schemas: closing one closes all.

        Raises ValueError where they were opened for one schema alone.
        """
        if self._schema is None:
            raise ValueError(
                f"these connections serve one schema and cannot serve {schema}: open them with schemas=2"
            )
        return Database(self._pool, schema=schema, locks=self._locks)

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
        """Read by terms of which any may be NULL: a plan is made for the terms that are given, which takes a millisecond.

        A plan that a session keeps has to fit every choice of terms, and so uses no index. `work_mem` is raised, so that
        counting needs no temporary file.
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

    async def try_leader_lease(self, name: str) -> LeaderLease | None:
        """Take the lock of this name; None when another process has it."""
        is_taken = await self._locks.acquire(self._schema, name)
        return LeaderLease(name, self._schema, self._locks) if is_taken else None

    async def _once(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async with self.connection() as connection, connection.transaction():
            return await work(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection; raises as `translated` does, and as `as_refusal` where none can be opened."""
        connection = await self._acquire()
        try:
            with translated(connection):
                if self._schema is not None:
                    await connection.use_schema(self._schema)
                yield connection
        finally:
            await self._pool.release(connection)

    async def _acquire(self) -> asyncpg.Connection:
        with refusals_named():
            try:
                return await self._pool.acquire(timeout=ACQUIRE_SECONDS)
            except TimeoutError as error:
                raise PostgresSilentError("no connection to Postgres became free in time") from error
