"""One Redis behind the mailboxes, used from an event loop over a few connections (redis_connection.py).

Where there are several Redis, each is one of these (redis_cluster.py).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from cogento.queue.errors import MailboxUnavailable, ShardMoved
from cogento.queue.redis_connection import RedisConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    from cogento.queue.redis_commands import Argument, Call, Reply

MAX_CONNECTIONS = 2
"""The default for one client; docs/deploying.md adds up the connections of each process."""
CONNECTION_OPTIONS: Mapping[str, Any] = {
    "socket_timeout": None,  # redis_connection.py has one time-out for a whole request
    "socket_connect_timeout": None,
    "socket_keepalive": True,
    "retry": Retry(NoBackoff(), 0),
    "protocol": 2,  # the same types of replies everywhere, and no greeting to wait for
    "driver_info": None,
}


class RedisServer:
    """Runs scripts and commands over as many connections as there are callers at a time, up to `max_connections`.

    A caller who comes when all are in use waits for one, so a caller that has one must not ask for another. Belongs to one event
    loop. Every failure is a MailboxUnavailable. `connection_epoch` changes whenever another server may be at the other end (a
    new connection, an error): the server's clock is then read again.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        timeout_seconds: float,
        max_connections: int = MAX_CONNECTIONS,
        name: str = "",
        rest: Rest | None = None,
        close_finder: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.name = name
        self.connection_epoch = 0
        self._redis = redis
        self._places = asyncio.Semaphore(max_connections)
        self._timeout_seconds = timeout_seconds
        self._rest = rest
        self._close_finder = close_finder
        self._idle: list[RedisConnection] = []

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        timeout_seconds: float,
        max_connections: int = MAX_CONNECTIONS,
        name: str = "",
        rest: Rest | None = None,
    ) -> RedisServer:
        """Make a client for a URL (redis, rediss, unix); connections open when first needed."""
        redis = Redis.from_url(url, **CONNECTION_OPTIONS)
        return cls(
            redis, timeout_seconds=timeout_seconds, max_connections=max_connections, name=name, rest=rest
        )

    async def servers(self) -> Sequence[RedisServer]:
        """Return all servers that keep mailboxes: this one."""
        return (self,)

    async def place(self, tags: Iterable[str]) -> Mapping[RedisServer, Sequence[str]]:
        """Return which of these shards each server has: this one has all."""
        return {self: tuple(tags)}

    def lane(self, tag: str) -> str:  # noqa: ARG002 - of a cluster it depends on the shard
        """Return which puts may share a call with this shard's: all."""
        return self.name

    async def follow(self, moved: Iterable[object]) -> None:
        """Raise the first reply that is a ShardMoved: there is no other server to go to."""
        for reply in moved:
            if isinstance(reply, ShardMoved):
                raise reply

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[RedisConnection]:
        """Lend a connection for several requests: of the free ones, the one that was used last."""
        async with self._places:
            connection = self._borrow()
            try:
                yield connection
            except MailboxUnavailable as error:
                self._failed(error)
                raise
            else:
                self._answered()
            finally:
                self._idle.append(connection)

    async def run(self, *calls: Call) -> list[Reply]:
        """Run scripts in one round trip; see RedisConnection.run."""
        replies = await self.attempt(*calls)
        await self.follow(replies)
        return replies

    async def attempt(self, *calls: Call) -> list[Reply]:
        """Run scripts in one round trip; the reply of one whose shard another server has is a ShardMoved."""
        async with self.connection() as connection:
            return await connection.run(*calls)

    async def ask(self, *command: Argument) -> Reply:
        """Run one command, whose key, if it has one, is its first argument."""
        async with self.connection() as connection:
            return await connection.ask(*command)

    async def set_aside(self, tag: str, now: Argument, ids: Sequence[Argument] = ()) -> bool:
        """Set junk aside; see RedisConnection.set_aside."""
        async with self.connection() as connection:
            return await connection.set_aside(tag, now, ids)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().close()
        if self._close_finder is not None:
            with suppress(RedisError):  # it says so when the other end is slow to close
                await self._close_finder()

    def _borrow(self) -> RedisConnection:
        if self._rest is not None:
            self._rest.begin(self.name)
        if self._idle:
            return self._idle.pop()
        return RedisConnection(
            self._redis, timeout_seconds=self._timeout_seconds, on_change=self._change, name=self.name
        )

    def _answered(self) -> None:
        if self._rest is not None:
            self._rest.end()

    def _failed(self, error: MailboxUnavailable) -> None:
        if self._rest is not None:
            self._rest.failed(error)

    def _change(self) -> None:
        self.connection_epoch += 1


class Rest:
    """Keeps calls away, for a moment, from a server that did not answer, while other servers go on.

    Otherwise each call to several servers would wait for that one's time-out. After the moment one call tries for all.
    `on_failure` is called after every failed call. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        *,
        seconds: float,
        longest_try_seconds: float,
        on_failure: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._longest_try_seconds = longest_try_seconds
        self._on_failure = on_failure
        self._clock = clock
        self._until: float | None = None

    def begin(self, name: str) -> None:
        """Let a call pass, or raise MailboxUnavailable at once."""
        if self._until is None:
            return
        if self._clock() < self._until:
            raise MailboxUnavailable(f"Redis: {name} did not answer a moment ago")
        self._until = self._clock() + self._longest_try_seconds

    def end(self) -> None:
        """Note that the server answered."""
        self._until = None

    def failed(self, error: MailboxUnavailable) -> None:
        """Note a failure. An error that the server itself returned counts as an answer, though perhaps one of a former master."""
        cause = error.__cause__
        is_silent = isinstance(cause, RedisError | OSError) and not isinstance(cause, ResponseError)
        self._until = self._clock() + self._seconds if is_silent else None
        self._on_failure()
