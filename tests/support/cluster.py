"""A cluster of Valkeys on this machine: masters alone, the slots divided evenly between them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import redis
from redis.asyncio import Redis
from redis.crc import key_slot

from cogento.local.ports import LOCALHOST, free_port
from cogento.queue.durable_scripts import TIMEOUT_SECONDS
from cogento.queue.redis_client import RedisClient, RedisConnection
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.local.valkey import Valkey
    from cogento.queue.redis_commands import Argument, CommandWords, Reply

    Node = servers.RunningServer[Valkey]

SLOTS = 16_384


@contextmanager
def cluster(*, masters: int) -> Iterator[Sequence[Node]]:
    """So many masters that know each other; gone with the block."""
    home = servers.make_home()
    nodes: list[Node] = []
    try:
        for number in range(masters):
            settings = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
            nodes.append(
                servers.start_valkey(home / f"{number}", settings={**servers.QUICK_VALKEY, **settings})
            )
        _introduce(nodes)
        yield nodes
    finally:
        for node in nodes:
            node.kill()
        shutil.rmtree(home, ignore_errors=True)


def client_of(nodes: Sequence[Node]) -> RedisClient:
    """A client of the whole cluster that tries once, as cogento/queue/redis_client.py has it."""
    return _ClusterClient([RedisClient.connect(node.url, timeout_seconds=TIMEOUT_SECONDS) for node in nodes])


class _ClusterClient(RedisClient):
    """Asks each node for the keys in its slots, and the first for what concerns no key."""

    def __init__(self, nodes: Sequence[RedisClient]) -> None:
        super().__init__(Redis(), timeout_seconds=TIMEOUT_SECONDS)
        self._nodes = nodes

    def _borrow(self) -> RedisConnection:
        return _ClusterConnection([node._borrow() for node in self._nodes])

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()


class _ClusterConnection(RedisConnection):
    def __init__(self, nodes: Sequence[RedisConnection]) -> None:
        super().__init__(Redis(), timeout_seconds=TIMEOUT_SECONDS, on_change=lambda: None)
        self._nodes = nodes

    async def ask(self, *command: Argument) -> Reply:
        return await self._node_of(command[1] if len(command) > 1 else "").ask(*command)

    async def close(self) -> None:
        for node in self._nodes:
            await node.close()

    async def _send(self, commands: Sequence[CommandWords], wait_ms: int) -> list[Reply]:
        # EVALSHA and EVAL name the script and how many keys follow.
        return [
            reply for words in commands for reply in await self._node_of(words[3])._send([words], wait_ms)
        ]

    def _node_of(self, key: Argument) -> RedisConnection:
        if not str(key).startswith("{"):
            return self._nodes[0]
        return self._nodes[key_slot(str(key).encode()) * len(self._nodes) // SLOTS]


def ask(node: Node, *command: str | int) -> object:
    """Run one command on one node."""
    with redis.Redis.from_url(node.url) as client:
        answer: object = client.execute_command(*command)
        return answer


def _introduce(nodes: Sequence[Node]) -> None:
    first, *others = nodes
    bounds = [SLOTS * number // len(nodes) for number in range(len(nodes) + 1)]
    for node, (start, end) in zip(nodes, pairwise(bounds), strict=True):
        ask(node, "CLUSTER", "ADDSLOTSRANGE", start, end - 1)
    for node in others:
        bus = (node.description.settings or {})["cluster-port"]
        ask(first, "CLUSTER", "MEET", LOCALHOST, node.description.port, bus)
    servers.wait_until(lambda: all(map(_knows_all, nodes)), what="the cluster to form", seconds=30)


def _knows_all(node: Node) -> bool:
    told = ask(node, "CLUSTER INFO")
    return isinstance(told, dict) and told["cluster_state"] == "ok"
