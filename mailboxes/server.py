"""The one Redis behind the mailboxes, spoken to in single attempts with short time-outs.

redis-py's own retries are off: they held a call for 15 s against a frozen server and repeated commands
whose reply was lost. Whoever asks knows better whether to ask again. Knows scripts by name only.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError
from redis.retry import Retry

from mailboxes.errors import MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis.connection import AbstractConnection

Argument = str | bytes | int
Reply = Any  # what Redis answers: int, bytes, None or a list of these


@dataclass(frozen=True, slots=True)
class Script:
    """One command's Lua text, and the digest the server knows it by."""

    text: str
    sha: str


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script on one shard."""

    script: str
    tag: str
    arguments: Sequence[Argument]


@cache
def load_script(name: str) -> Script:
    """Read lua/<name>.lua, with the names and moves of lua/shard.lua before it."""
    folder = resources.files(__package__).joinpath("lua")
    text = "\n".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in ("shard", name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Server:
    """Runs scripts and commands; anything that goes wrong is a MailboxUnavailable.

    `era` changes whenever the other end may have become another server (a new connection, an error), so
    that what was learnt of it, its clock and its durability, is learnt again.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.era = 0
        self._client = client

    @classmethod
    def connect(cls, url: str, *, timeout_seconds: float) -> Server:
        """Make a server of a URL (redis, rediss, unix); connections open when first needed."""
        client = redis.Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # the same types of replies everywhere, and no greeting to wait for
            driver_info=None,
        )
        server = cls(client)
        client.connection_pool.connection_kwargs["redis_connect_func"] = server._greet
        return server

    def run(self, *calls: Call) -> list[Reply]:
        """Run scripts in one round trip; a server that has forgotten one (restart, flush) is told again."""
        return self._run(calls, [])

    def run_and_wait(self, *calls: Call, wait_ms: int) -> tuple[list[Reply], int]:
        """Run scripts, then wait until all they wrote is in the append-only file; 0 if it is not in time."""
        *replies, waited = self._run(calls, [("WAITAOF", 1, 0, wait_ms)])
        return replies, int(waited[0])

    def ask(self, *command: Argument) -> Reply:
        """Run one command."""
        with self._translated():
            return self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _run(self, calls: Sequence[Call], after: Sequence[tuple[Argument, ...]]) -> list[Reply]:
        with self._translated():
            replies = self._send([_by_digest(call) for call in calls], after)
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                again = self._send([_by_text(calls[i]) for i in unknown], after)
                for i, reply in zip(unknown, again, strict=False):
                    replies[i] = reply
                replies[len(calls) :] = again[len(unknown) :]
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    def _send(
        self, calls: Sequence[tuple[Argument, ...]], after: Sequence[tuple[Argument, ...]]
    ) -> list[Reply]:
        with self._client.pipeline(transaction=False) as pipeline:
            for command in (*calls, *after):
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return pipeline.execute(raise_on_error=False)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError) as error:
            if not isinstance(error, ResponseError) or isinstance(error, ReadOnlyError):
                self.era += 1
            raise MailboxUnavailable(f"Redis: {type(error).__name__}: {error}") from error

    def _greet(self, connection: AbstractConnection) -> None:
        self.era += 1
        connection.on_connect()  # type: ignore[no-untyped-call]
        if isinstance(connection, SSLConnection):
            # The tickets of TLS 1.3 come unasked, and redis-py's pool refuses a connection with unread bytes.
            connection.send_command("PING")  # type: ignore[no-untyped-call]
            connection.read_response()


def _by_digest(call: Call) -> tuple[Argument, ...]:
    return ("EVALSHA", load_script(call.script).sha, 1, call.tag, *call.arguments)


def _by_text(call: Call) -> tuple[Argument, ...]:
    return ("EVAL", load_script(call.script).text, 1, call.tag, *call.arguments)
