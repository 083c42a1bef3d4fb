"""One Redis behind the mailboxes, spoken to from an event loop in single attempts with short time-outs.

redis-py connects, greets and parses; commands are packed by hiredis itself, which takes a tenth of the time that
redis-py's asynchronous side takes. Its own retries are off: they held a call for 15 s against a frozen server and
repeated commands whose reply was lost. Whoever asks knows better whether to ask again. Where there are several Redis, each
is one of these (redis_cluster.py).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import hiredis
import structlog
from redis.asyncio import Redis
from redis.asyncio.connection import DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from cogento.queue.errors import JunkFound, MailboxUnavailable, ShardMoved
from cogento.queue.redis_commands import Call, shard_moved, translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    from redis.asyncio.connection import AbstractConnection

    from cogento.queue.durable_scripts import CheckedFacts
    from cogento.queue.redis_commands import Argument, CommandWords, Reply

log = structlog.get_logger()

MAX_CONNECTIONS = 2
"""Of one client, where nothing else is said; docs/deploying.md adds up those of each process."""
CONNECTION_OPTIONS: Mapping[str, Any] = {
    "socket_timeout": None,  # there is one time-out for each request, whatever it takes
    "socket_connect_timeout": None,
    "socket_keepalive": True,
    "retry": Retry(NoBackoff(), 0),
    "protocol": 2,  # the same types of replies everywhere, and no greeting to wait for
    "driver_info": None,
}
SLOWEST_BYTES_A_SECOND = 10 * 1024**2
"""What is long may take longer, by what a slow wire and disk carry: the longest event is of 48 MiB."""


class RedisServer:
    """Runs scripts and commands over as many connections as there are callers at a time, and no more than so many.

    Whoever comes when all are at work waits for one, so a caller that has one must not ask for another. Belongs to one
    event loop. Anything that goes wrong is a MailboxUnavailable. `connection_epoch` changes whenever another server may be at the
    other end (a new connection, an error): its clock is then asked again.
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
        """Make a client of a URL (redis, rediss, unix); connections open when first needed."""
        redis = Redis.from_url(url, **CONNECTION_OPTIONS)
        return cls(
            redis, timeout_seconds=timeout_seconds, max_connections=max_connections, name=name, rest=rest
        )

    async def servers(self) -> Sequence[RedisServer]:
        """Return all servers that keep mail: this one."""
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
        """Lend a connection for several requests, the one that was used last if any is free."""
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
        async with self._places:
            connection = self._borrow()
            try:
                replies = await connection.run(*calls)
            except MailboxUnavailable as error:
                self._failed(error)
                raise
            finally:
                self._idle.append(connection)
            self._answered()
            return replies

    async def ask(self, *command: Argument) -> Reply:
        """Run one command, whose key, if it has one, is its first argument."""
        async with self._places:
            connection = self._borrow()
            try:
                reply = await connection.ask(*command)
            except MailboxUnavailable as error:
                self._failed(error)
                raise
            finally:
                self._idle.append(connection)
            self._answered()
            return reply

    async def set_aside(self, tag: str, now: Argument, ids: Sequence[Argument] = ()) -> bool:
        """Set junk aside; see RedisConnection.set_aside."""
        async with self.connection() as connection:
            return await connection.set_aside(tag, now, ids)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().close()
        if self._close_finder is not None:
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
    """Leaves a server alone for a moment that did not answer, where others go on meanwhile.

    Else each call that meets it among others would wait for its time-out, and the others with it. After the moment one
    call tries for all. `on_failure` is called after each that failed, for whatever reason. `clock` is monotonic, in seconds.
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
        """Note that it answered."""
        self._until = None

    def failed(self, error: MailboxUnavailable) -> None:
        """Note a failure. One that the server itself told of is an answer, though perhaps not that of a master any more."""
        cause = error.__cause__
        is_silent = isinstance(cause, RedisError | OSError) and not isinstance(cause, ResponseError)
        self._until = self._clock() + self._seconds if is_silent else None
        self._on_failure()


class RedisConnection:
    """One connection, for one caller at a time: it opens when first needed, and anew after whatever went wrong.

    A time-out is for the first part of an answer and for each part that follows, however many there are. `checked` is
    what the server said of itself, as long as `epoch` is the same: it changes whenever another one may be at the other
    end.
    """

    def __init__(
        self, redis: Redis, *, timeout_seconds: float, on_change: Callable[[], object], name: str = ""
    ) -> None:
        self.checked: CheckedFacts | None = None
        self.epoch = 0
        self.name = name
        self._redis = redis
        self._timeout_seconds = timeout_seconds
        self._on_change = on_change
        self._connection: AbstractConnection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._connection.set_parser(partial(_Parser, self._extend_limit))
        self._limit: asyncio.Timeout | None = None

    async def ask(self, *command: Argument) -> Reply:
        """Run one command; its reply comes as redis-py reads such replies."""
        with translated(self._change):
            async with asyncio.timeout(self._timeout_seconds) as self._limit:
                connection = await self._connected()
                await _write(connection.send_command(*command, check_health=False))
                return await self._redis.parse_response(connection, command[0])  # type: ignore[arg-type]

    async def run(self, *calls: Call) -> list[Reply]:
        """Run scripts in one round trip; a server that has forgotten one (restart, flush) is told again.

        Raises JunkFound when they met something of another type under one of our names, which is set aside by then. The reply
        of one whose shard another server has is a ShardMoved, and it was not run.
        """
        return await self._run_past_junk(calls, (), 0)

    async def run_and_wait(self, *calls: Call, wait: CommandWords, wait_ms: int) -> tuple[list[Reply], Reply]:
        """Run scripts, then a command that waits for what they wrote, for `wait_ms` at most; see `run`."""
        *replies, waited = await self._run_past_junk(calls, [wait], wait_ms)
        return replies, waited

    async def set_aside(self, tag: str, now: Argument, ids: Sequence[Argument] = ()) -> bool:
        """Set aside what nobody of us wrote under the shard's names, and those of these ids; False: there was nothing.

        Whoever wrote it may miss it, so it is renamed (keys.py). What it stood in place of, inspection.py brings back.
        """
        (aside,) = await self._run([Call("set_aside", tag, (now, *ids))], (), 0)
        for name, type_ in zip(aside[::2], aside[1::2], strict=True):
            log.error("junk_set_aside", key=f"{tag}:{name.decode()}", type=type_.decode())
        return bool(aside)

    async def close(self) -> None:
        """Close it."""
        await self._connection.disconnect()

    async def _run_past_junk(
        self, calls: Sequence[Call], after: Sequence[CommandWords], wait_ms: int
    ) -> list[Reply]:
        try:
            return await self._run(calls, after, wait_ms)
        except MailboxUnavailable as error:
            if "WRONGTYPE" not in str(error):
                raise
            is_found = False
            for call in calls:
                now, *others = call.arguments
                # Ids are texts, and values are bytes.
                is_found |= await self.set_aside(
                    call.tag, now, [one for one in others if isinstance(one, str)]
                )
            if is_found:
                raise JunkFound(str(error)) from error
            raise

    async def _run(self, calls: Sequence[Call], after: Sequence[CommandWords], wait_ms: int) -> list[Reply]:
        replies = await self._send([*(call.by_digest() for call in calls), *after], wait_ms)
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await self._send([*(calls[i].by_text() for i in unknown), *after], wait_ms)
            for i, reply in zip(unknown, again, strict=False):
                replies[i] = reply
            replies[len(calls) :] = again[len(unknown) :]
        return replies

    async def _send(self, commands: Sequence[CommandWords], wait_ms: int) -> list[Reply]:
        """Return the replies to commands of one round trip, or raise the first failure.

        A NoScriptError and a ShardMoved are replies: others of the same round trip may have been run.

        The server may keep the last one waiting for `wait_ms` by intent.
        """
        packed = b"".join(map(_pack, commands))
        seconds = self._timeout_seconds + wait_ms / 1000 + len(packed) / SLOWEST_BYTES_A_SECOND
        with translated(self._change):
            async with asyncio.timeout(seconds) as self._limit:
                connection = await self._connected()
                await _write(connection.send_packed_command(packed, check_health=False))
                replies = [await _reply(connection) for _ in commands]
            for i, reply in enumerate(replies):
                if isinstance(reply, AskError):
                    replies[i] = shard_moved(reply)
                elif isinstance(reply, Exception) and not isinstance(reply, NoScriptError):
                    raise reply
            return replies

    async def _connected(self) -> AbstractConnection:
        """Return the connection, a new one where the other end has closed it, or has said what nobody asked."""
        connection = self._connection
        if connection.is_connected and await _is_spoilt(connection):
            await connection.disconnect(nowait=True)
        if not connection.is_connected:
            self._change()
            await connection.connect()  # type: ignore[no-untyped-call]
        return connection

    def _change(self) -> None:
        self.epoch += 1
        self._on_change()

    def _extend_limit(self) -> None:
        """Give what follows as much time as what has come just now."""
        limit = self._limit
        moment = asyncio.get_running_loop().time() + self._timeout_seconds
        if limit is not None and not limit.expired() and moment > (limit.when() or moment):
            limit.reschedule(moment)


class _Parser(DefaultParser):  # type: ignore[valid-type, misc]
    """Tells of each part of an answer that comes."""

    def __init__(self, heard: Callable[[], object], socket_read_size: int) -> None:
        super().__init__(socket_read_size)
        self._heard = heard

    async def read_from_socket(self) -> Any:
        """Read a part."""
        is_read = await super().read_from_socket()
        self._heard()
        return is_read


async def _is_spoilt(connection: AbstractConnection) -> bool:
    """Tell whether it has been reset (redis-py has no other word for that), ended, or holds an answer to nothing."""
    writer = connection._writer  # noqa: SLF001
    return await connection.can_read() or writer is None or writer.is_closing()


def _pack(command: CommandWords) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # it takes any number of them
    return packed


async def _write(sending: Awaitable[None]) -> None:
    try:
        await sending
    except RuntimeError as error:  # what uvloop says of a transport that was closed this very moment
        raise ConnectionError(str(error)) from error


async def _reply(connection: AbstractConnection) -> Reply:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
