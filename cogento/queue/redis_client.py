"""What the mailboxes ask of Redis, be it one server or several, and which client a URL needs.

A shard is whole on one server. On one server, or the one that Sentinel names, every shard is there; of a cluster each master
has some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cogento.queue.redis_address import RedisAddress, RedisKind
from cogento.queue.redis_cluster import RedisClusterClient
from cogento.queue.redis_sentinel import connect_by_sentinel
from cogento.queue.redis_server import MAX_CONNECTIONS, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cogento.queue.redis_commands import Argument, Call, Reply


class RedisClient(Protocol):
    """For any number of tasks of one event loop; everything raises MailboxUnavailable."""

    @property
    def connection_epoch(self) -> int:
        """Changes whenever another server may be at the other end of a connection: its clock is then asked again."""

    async def servers(self) -> Sequence[RedisServer]:
        """Return all servers that keep mailboxes."""

    async def place(self, tags: Iterable[str]) -> Mapping[RedisServer, Sequence[str]]:
        """Return which of these shards each server has."""

    def lane(self, tag: str) -> str:
        """Return which puts may share a call with this shard's, by name; as far as is known."""

    async def follow(self, moved: Iterable[object]) -> None:
        """Learn from ShardMoved replies, so that their shards are found next time; raises the first that cannot be followed."""

    async def run(self, *calls: Call) -> list[Reply]:
        """Run scripts, in one round trip for each server, and return their replies in this order."""

    async def ask(self, *command: Argument) -> Reply:
        """Run one command, whose key is its first argument, on the server that has it."""

    async def set_aside(self, tag: str, now: Argument, ids: Sequence[Argument] = ()) -> bool:
        """Set junk aside; see RedisConnection.set_aside."""

    async def close(self) -> None:
        """Close the connections that nobody uses."""


def connect(url: str, *, timeout_seconds: float, max_connections: int = MAX_CONNECTIONS) -> RedisClient:
    """Make a client for a URL from settings; connections open when first needed, at most `max_connections` to each server."""
    address = RedisAddress.read(url)
    match address.kind:
        case RedisKind.SERVER:
            return RedisServer.connect(url, timeout_seconds=timeout_seconds, max_connections=max_connections)
        case RedisKind.SENTINEL:
            return connect_by_sentinel(
                address, timeout_seconds=timeout_seconds, max_connections=max_connections
            )
        case RedisKind.CLUSTER:
            return RedisClusterClient(
                address, timeout_seconds=timeout_seconds, max_connections=max_connections
            )
