"""One connection to the Redis behind the mailboxes, spoken to from an event loop; redis_client.py's twin.

redis-py connects, greets and parses; commands are packed by hiredis itself, which takes a tenth of the time that
redis-py's asynchronous side takes.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import hiredis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from cogento.queue.durable_scripts import SLOWEST_BYTES_A_SECOND
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.redis_commands import Command, RedisConnection, checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio.connection import AbstractConnection

    from cogento.queue.redis_commands import CommandWords, RedisCommands, Reply, Request

T = TypeVar("T")


class AsyncRedisClient(RedisConnection):
    """Asks for one caller at a time; anything that goes wrong is a MailboxUnavailable. Belongs to one event loop."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        """Make a line to a URL (redis, rediss, unix); it connects when first needed."""
        super().__init__()
        self._timeout_seconds = timeout_seconds
        self._client = Redis.from_url(
            url,
            single_connection_client=True,
            socket_timeout=None,  # there is one time-out for each request, whatever it takes
            socket_connect_timeout=None,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
        self._client.connection_pool.connection_kwargs["redis_connect_func"] = self._greet

    async def execute(self, commands: RedisCommands[T]) -> T:
        """Run the commands that a generator yields until it returns; what fails is raised where it was yielded."""
        step: Callable[[], Request] = partial(next, commands)
        while True:
            try:
                request = step()
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                step = partial(commands.send, await self._answer(request))
            except MailboxUnavailable as error:
                step = partial(commands.throw, error)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _answer(self, request: Request) -> Reply:
        wait_ms = 0 if isinstance(request, Command) else request.wait_ms
        with self._translated():
            packed = b"" if isinstance(request, Command) else b"".join(map(_pack, request.commands))
            seconds = self._timeout_seconds + wait_ms / 1000 + len(packed) / SLOWEST_BYTES_A_SECOND
            async with asyncio.timeout(seconds):
                connection = await self._connected()
                if isinstance(request, Command):
                    return await self._client.execute_command(*request.words)  # type: ignore[no-untyped-call]
                return checked(await _send(connection, packed, replies=len(request.commands)))

    async def _connected(self) -> AbstractConnection:
        """Return the connection, a new one where the other end has closed it, or has said what nobody asked."""
        if self._client.connection is None:
            await self._client.initialize()
        connection = cast("AbstractConnection", self._client.connection)
        if connection.is_connected and await _is_spoilt(connection):
            await connection.disconnect(nowait=True)
        await connection.connect()  # type: ignore[no-untyped-call]
        return connection

    async def _greet(self, connection: AbstractConnection) -> None:
        self.connection_epoch += 1
        await connection.on_connect()


async def _is_spoilt(connection: AbstractConnection) -> bool:
    """Tell whether it has been reset (redis-py has no other word for that), ended, or holds an answer to nothing."""
    writer = connection._writer  # noqa: SLF001
    return await connection.can_read() or writer is None or writer.is_closing()


async def _send(connection: AbstractConnection, packed: bytes, *, replies: int) -> list[Reply]:
    try:
        await connection.send_packed_command(packed, check_health=False)
    except RuntimeError as error:  # what uvloop says of a transport that was closed this very moment
        raise ConnectionError(str(error)) from error
    return [await _reply(connection) for _ in range(replies)]


def _pack(command: CommandWords) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # it takes any number of them
    return packed


async def _reply(connection: AbstractConnection) -> Reply:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
