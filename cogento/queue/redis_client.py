"""The one Redis behind the mailboxes, spoken to from threads in single attempts with short time-outs.

redis-py's own retries are off: they held a call for 15 s against a frozen server and repeated commands
whose reply was lost. Whoever asks knows better whether to ask again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection
from redis.retry import Retry

from cogento.queue import redis_commands
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.redis_commands import Command, RedisConnection, checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.connection import AbstractConnection

    from cogento.queue.redis_commands import Argument, Call, RedisCommands, Reply, Request

T = TypeVar("T")


class RedisClient(RedisConnection):
    """Runs scripts and commands; anything that goes wrong is a MailboxUnavailable.

    `long_timeout_client` is the same server with a longer time-out, for what waits for the disk.
    """

    def __init__(self, client: redis.Redis, long_timeout_client: redis.Redis | None = None) -> None:
        super().__init__()
        self._client = client
        self._long_timeout_client = long_timeout_client or client

    @classmethod
    def connect(
        cls, url: str, *, timeout_seconds: float, long_timeout_seconds: float | None = None
    ) -> RedisClient:
        """Make a server of a URL (redis, rediss, unix); connections open when first needed."""
        client = _client(url, timeout_seconds)
        server = cls(client, _client(url, long_timeout_seconds) if long_timeout_seconds else None)
        for each in (client, server._long_timeout_client):
            each.connection_pool.connection_kwargs["redis_connect_func"] = server._greet
        return server

    def execute(self, commands: RedisCommands[T]) -> T:
        """Run the commands that a generator yields until it returns; what fails is raised where it was yielded."""
        step: Callable[[], Request] = partial(next, commands)
        while True:
            try:
                request = step()
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                step = partial(commands.send, self._answer(request))
            except MailboxUnavailable as error:
                step = partial(commands.throw, error)

    def run(self, *calls: Call) -> list[Reply]:
        """Run scripts in one round trip."""
        return self.execute(redis_commands.run(calls))

    def ask(self, *command: Argument) -> Reply:
        """Run one command."""
        return self._answer(Command(command))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        self._long_timeout_client.close()

    def _answer(self, request: Request) -> Reply:
        with self._translated():
            if isinstance(request, Command):
                return self._client.execute_command(*request.words)  # type: ignore[no-untyped-call]
            client = self._long_timeout_client if request.wait_ms else self._client
            with client.pipeline(transaction=False) as pipeline:
                for command in request.commands:
                    pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
                return checked(pipeline.execute(raise_on_error=False))

    def _greet(self, connection: AbstractConnection) -> None:
        self.connection_epoch += 1
        connection.on_connect()  # type: ignore[no-untyped-call]
        if isinstance(connection, SSLConnection):
            # The tickets of TLS 1.3 come unasked, and redis-py's pool refuses a connection with unread bytes.
            connection.send_command("PING")  # type: ignore[no-untyped-call]
            connection.read_response()


def _client(url: str, timeout_seconds: float) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # the same types of replies everywhere, and no greeting to wait for
        driver_info=None,
    )
