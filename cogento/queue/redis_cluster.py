"""The masters of a Redis or Valkey Cluster, each of which keeps some of the shards.

redis-py knows which master has which slot: it reads the cluster's map and takes note of MOVED. Scripts and commands go to each
master as to a single server (redis_server.py): in one attempt, with what is known of that master kept with each connection.
redis-py's own way of sending is not used, for it repeats commands whose reply was lost, for seconds.

ASK is never followed. A slot that moves key by key is on two masters meanwhile, and a script would see the keys of one. The key by
which a script names its shard never exists, so the master that gives a slot away answers ASK to each script: the shard is away
until all of its keys have moved, and no script works on half of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import MovedError, RedisClusterException, RedisError

from cogento.queue.errors import MailboxUnavailable, ShardMoved
from cogento.queue.placement import MAX_MOVES, run_where_placed
from cogento.queue.redis_commands import translated
from cogento.queue.redis_server import RedisServer, Rest
from cogento.retries import MASTER_REST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cogento.queue.redis_address import RedisAddress
    from cogento.queue.redis_commands import Argument, Call, Reply

log = structlog.get_logger()

MAP_SECONDS = 0.2
"""How long one server may take to tell the cluster's map before the next one is asked."""
MAP_KEPT_SECONDS = 0.5
"""A map that was found out of date is read again, but not more often than this."""


class RedisClusterClient:
    """Runs scripts and commands on the masters that have their shards; belongs to one event loop.

    A master that does not answer is left alone for a moment, and calls that need it fail at once; others go on.
    """

    def __init__(self, address: RedisAddress, *, timeout_seconds: float, max_connections: int) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._max_connections = max_connections
        host, port = address.hosts[0]
        self._map = RedisCluster.from_url(
            address.server_url(host, port),
            startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
            require_full_coverage=False,  # slots without a master concern only the calls that need them
            socket_timeout=MAP_SECONDS,
            socket_connect_timeout=MAP_SECONDS,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        ).nodes_manager
        self._is_map_stale = True
        self._map_read = -float("inf")
        self._reading = asyncio.Lock()
        self._last_failed: str | None = None
        self._servers: dict[str, RedisServer] = {}
        self._former: list[RedisServer] = []  # no longer masters; a call may still be under way there
        self._past_epochs = 0  # of servers that are no longer masters

    @property
    def connection_epoch(self) -> int:
        """Changes whenever another server may be at the other end of a connection."""
        return self._past_epochs + sum(server.connection_epoch for server in self._servers.values())

    async def servers(self) -> Sequence[RedisServer]:
        """Return the masters that have slots."""
        await self._read_map_if_stale()
        return tuple(self._servers.values())

    async def place(self, tags: Iterable[str]) -> Mapping[RedisServer, Sequence[str]]:
        """Return which of these shards each master has."""
        await self._read_map_if_stale()
        placed: defaultdict[RedisServer, list[str]] = defaultdict(list)
        for tag in tags:
            placed[self._server_of(tag)].append(tag)
        return placed

    def lane(self, tag: str) -> str:
        """Return the name of the master that has the shard by the map; empty where the shard has none, or no map was read yet."""
        nodes = self._map.slots_cache.get(key_slot(tag.encode()))
        return nodes[0].name if nodes else ""

    async def follow(self, moved: Iterable[object]) -> None:
        """Learn where shards are now; raises MailboxUnavailable for one that is being moved."""
        for reply in moved:
            if isinstance(reply, ShardMoved):
                self._is_map_stale = True
                if reply.is_under_way:
                    raise MailboxUnavailable("Redis: a shard is being moved to another master") from reply
                if isinstance(reply.redirection, MovedError) and reply.redirection.host:
                    await self._map.move_slot(reply.redirection)
                    self._note_servers()

    async def run(self, *calls: Call) -> list[Reply]:
        """Run scripts, in one round trip for each master, and return their replies in this order.

        When one of them fails, others may have been run all the same.
        """
        return await run_where_placed(self, calls, lambda server, mine: server.attempt(*mine))

    async def ask(self, *command: Argument) -> Reply:
        """Run one command on the master that has its key, which is its first argument."""
        key = command[1]
        tag = key if isinstance(key, str) else str(key)
        for _ in range(MAX_MOVES):
            await self._read_map_if_stale()
            try:
                return await self._server_of(tag).ask(*command)
            except ShardMoved as moved:
                await self.follow([moved])
        raise MailboxUnavailable("Redis: a shard moved from master to master")

    async def set_aside(self, tag: str, now: Argument, ids: Sequence[Argument] = ()) -> bool:
        """Set junk aside; see RedisConnection.set_aside."""
        (server,) = await self.place([tag])
        return await server.set_aside(tag, now, ids)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        for server in (*self._servers.values(), *self._former):
            await server.close()
        await self._close_map()

    def _server_of(self, key: str) -> RedisServer:
        nodes = self._map.slots_cache.get(key_slot(key.encode()))
        server = self._servers.get(nodes[0].name) if nodes else None
        if server is None:
            self._is_map_stale = True
            raise MailboxUnavailable("Redis: no master of the cluster has the shard at present")
        return server

    async def _read_map_if_stale(self) -> None:
        """Read the map again where an answer contradicted it; where no server returns one, the known map stays."""
        if not self._is_map_stale or self._was_just_read():
            return
        async with self._reading:
            if not self._is_map_stale or self._was_just_read():  # another call has read it meanwhile
                return
            self._map_read = time.monotonic()
            failure = await self._read_map()
            if failure is not None:
                log.warning("cluster_map_not_read", error=type(failure).__name__)
                if self._map.slots_cache:
                    return
                with translated(lambda: None):
                    raise failure
            self._is_map_stale = False
            self._note_servers()
            await self._close_map()
            for server in self._former:
                await server.close()

    async def _read_map(self) -> RedisError | OSError | None:
        """Read the map; returns what to raise where that fails. Raised here, it could be its own cause's cause."""
        asked = dict(self._map.startup_nodes)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._map.initialize(last_failed_node_name=self._last_failed)
        except IndexError:  # from redis-py, before a cluster is formed; and it forgets whom it asked
            self._map.startup_nodes = asked
            return ConnectionError("no server of the cluster has slots")
        except RedisClusterException as error:
            cause = error.__cause__
            return cause if isinstance(cause, RedisError | OSError) else ConnectionError(str(error))
        except (RedisError, OSError) as error:
            return error
        return None

    async def _close_map(self) -> None:
        """Close the connections that the map was read by: it is read seldom, and small hosting plans allow few connections."""
        for node in list(self._map.startup_nodes.values()):
            with suppress(RedisError):  # it says so when the other end is slow to close
                await node.disconnect()

    def _was_just_read(self) -> bool:
        return bool(self._servers) and time.monotonic() - self._map_read < MAP_KEPT_SECONDS

    def _note_servers(self) -> None:
        """Keep one client for each master that has slots, and forget those of others."""
        masters = {nodes[0].name: nodes[0] for nodes in self._map.slots_cache.values()}
        for name in self._servers.keys() - masters.keys():
            former = self._servers.pop(name)
            self._past_epochs += former.connection_epoch + 1
            self._former.append(former)
        for name in masters.keys() - self._servers.keys():
            node = masters[name]
            self._servers[name] = RedisServer.connect(
                self._address.server_url(node.host, int(node.port)),
                timeout_seconds=self._timeout_seconds,
                max_connections=self._max_connections,
                name=name,
                rest=Rest(
                    seconds=MASTER_REST_SECONDS,
                    longest_try_seconds=2 * self._timeout_seconds,
                    on_failure=partial(self._doubt_map, name),
                ),
            )

    def _doubt_map(self, failed: str) -> None:
        self._is_map_stale, self._last_failed = True, failed
