"""One connection to a Redis: requests in single attempts with short time-outs, and what its answers mean.

redis-py connects, greets and parses; commands are packed by hiredis itself, which takes a tenth of the time of redis-py's
asynchronous code. redis-py's own retries are off: with a frozen server they held a call for 15 s, and they repeated commands
whose reply was lost. The caller knows better whether to try again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import hiredis
import structlog
from redis.asyncio.connection import DefaultParser
from redis.exceptions import AskError, NoScriptError, ResponseError

from cogento.queue.errors import JunkFound, MailboxUnavailable, ShardFailed
from cogento.queue.redis_commands import Call, shard_moved, translated
from cogento.queue.script_runs import script_runs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from cogento.queue.durable_scripts import CheckedFacts
    from cogento.queue.redis_commands import Argument, CommandWords, Reply

log = structlog.get_logger()

SLOWEST_BYTES_A_SECOND = 10 * 1024**2
"""A long command may take longer, by the rate of a slow network and disk: the longest event has 48 MiB."""


class RedisConnection:
    """One connection, for one caller at a time: it opens when first needed, and again after any failure.

    The time-out holds for the first part of an answer, and again for each part that follows. `checked` is what the server said
    of itself; it counts while `epoch` is the same, which changes whenever another server may be at the other end.
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
        self._has_heard = False

    async def ask(self, *command: Argument) -> Reply:
        """Run one command; the reply is parsed as redis-py does for that command."""
        with translated(self._change):
            async with asyncio.timeout(self._timeout_seconds) as self._limit:
                self._has_heard = False
                connection = await self._connected()
                await _write(connection.send_command(*command, check_health=False))
                return await self._redis.parse_response(connection, command[0])  # type: ignore[arg-type]

    async def run(self, *calls: Call) -> list[Reply]:
        """Run scripts in one round trip; a script that the server has forgotten (restart, flush) is sent again as text.

        Raises JunkFound when a script met a value of another type under one of our keys; the value is set aside by then. The reply
        of one whose shard another server has is a ShardMoved, and it was not run. Where one script runs for several shards, the
        reply of a shard on which it failed is a ShardFailed.
        """
        return await self._run_past_junk(calls, (), 0)

    async def run_and_wait(self, *calls: Call, wait: CommandWords, wait_ms: int) -> tuple[list[Reply], Reply]:
        """Run scripts, then a command that waits for what they wrote, for `wait_ms` at most; see `run`."""
        *replies, waited = await self._run_past_junk(calls, [wait], wait_ms)
        return replies, waited

    async def set_aside(self, tag: str, now: Argument, ids: Sequence[Argument] = ()) -> bool:
        """Set aside values that are not ours under the keys of the shard and of these ids; False: there were none.

        Their owner may miss them, so they are renamed (keys.py). inspection.py restores what they had overwritten.
        """
        (aside,) = await self._run([Call("set_aside", tag, (now, *ids))], (), 0)
        for name, type_ in zip(aside[::2], aside[1::2], strict=True):
            log.error("junk_set_aside", key=f"{tag}:{name.decode()}", type=type_.decode())
        return bool(aside)

    async def close(self) -> None:
        """Close it without waiting for the other end, which may hang; with TLS that could take 30 s."""
        await self._connection.disconnect(nowait=True)

    async def _run_past_junk(
        self, calls: Sequence[Call], after: Sequence[CommandWords], wait_ms: int
    ) -> list[Reply]:
        try:
            replies = await self._run(calls, after, wait_ms)
        except MailboxUnavailable as error:
            if not _is_of_junk(error) or not await self._set_aside_for(calls):
                raise
            raise JunkFound(str(error)) from error
        failed = {i: reply for i, reply in enumerate(replies) if isinstance(reply, ShardFailed)}
        in_the_way = [calls[i] for i, failure in failed.items() if _is_of_junk(failure)]
        if await self._set_aside_for(in_the_way):
            failure = next(iter(failed.values()))
            raise JunkFound(str(failure)) from failure
        return replies

    async def _set_aside_for(self, calls: Sequence[Call]) -> bool:
        """Set aside values that may be in the way of calls; False: there were none."""
        is_found = False
        for call in calls:
            now, *others = call.arguments
            # Among the arguments, ids are str and values are bytes.
            is_found |= await self.set_aside(call.tag, now, [one for one in others if isinstance(one, str)])
        return is_found

    async def _run(self, calls: Sequence[Call], after: Sequence[CommandWords], wait_ms: int) -> list[Reply]:
        runs = script_runs(calls, may_join=self._may_join())
        replies = await self._send([*(run.by_digest() for run in runs), *after], wait_ms)
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await self._send([*(runs[i].by_text() for i in unknown), *after], wait_ms)
            for i, reply in zip(unknown, again, strict=False):
                replies[i] = reply
            replies[len(runs) :] = again[len(unknown) :]
        with translated(self._change):
            parted = [one for run, reply in zip(runs, replies, strict=False) for one in run.parted(reply)]
        return [*parted, *replies[len(runs) :]]

    def _may_join(self) -> bool:
        """Tell whether a script may touch several shards: not on a server of a cluster, as far as is known."""
        known = self.checked
        return known is not None and known.epoch == self.epoch and not known.facts.is_in_cluster

    async def _send(self, commands: Sequence[CommandWords], wait_ms: int) -> list[Reply]:
        """Return the replies to commands of one round trip, or raise the first failure.

        NoScriptError and ShardMoved are returned as replies: other commands of the same round trip may have been run. The last
        command is one that may block for `wait_ms`.
        """
        packed = b"".join(map(_pack, commands))
        seconds = self._timeout_seconds + wait_ms / 1000 + len(packed) / SLOWEST_BYTES_A_SECOND
        with translated(self._change):
            async with asyncio.timeout(seconds) as self._limit:
                self._has_heard = False
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
        """Return the connection, a new one where the other end has closed it or has sent something unasked."""
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
        """Start the time-out again for the next part of an answer; the first part has its limit already."""
        limit, has_heard, self._has_heard = self._limit, self._has_heard, True
        if limit is None or not has_heard:
            return
        moment = asyncio.get_running_loop().time() + self._timeout_seconds
        if not limit.expired() and moment > (limit.when() or moment):
            limit.reschedule(moment)


class _Parser(DefaultParser):  # type: ignore[valid-type, misc]
    """Calls `waits` before it waits for a part of an answer: most answers come in one part."""

    def __init__(self, waits: Callable[[], object], socket_read_size: int) -> None:
        super().__init__(socket_read_size)
        self._waits = waits

    async def read_from_socket(self) -> Any:
        """Read a part of an answer."""
        self._waits()
        return await super().read_from_socket()


async def _is_spoilt(connection: AbstractConnection) -> bool:
    """Tell whether it was reset, ended, or holds an answer that nothing asked for; redis-py has no public name for a reset."""
    writer = connection._writer  # noqa: SLF001
    return await connection.can_read() or writer is None or writer.is_closing()


def _is_of_junk(failure: MailboxUnavailable) -> bool:
    return "WRONGTYPE" in str(failure)


def _pack(command: CommandWords) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # it takes any number of them
    return packed


async def _write(sending: Awaitable[None]) -> None:
    try:
        await sending
    except RuntimeError as error:  # uvloop's error for a transport that was closed just now
        raise ConnectionError(str(error)) from error


async def _reply(connection: AbstractConnection) -> Reply:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error.with_traceback(
            None
        )  # its frames and it would keep each other alive until cycles are collected
