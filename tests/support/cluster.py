"""A cluster of Valkeys on this machine: masters alone, the slots divided evenly between them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from cogento.local.ports import LOCALHOST, free_port
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.local.valkey import Valkey

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


def client_of(nodes: Sequence[Node]) -> redis.Redis:
    """A client of the whole cluster that tries once, as cogento/queue/redis_client.py has it.

    It is no `redis.Redis`, but has all that `cogento.queue.redis_client.RedisClient` asks of one.
    """
    client = RedisCluster(
        startup_nodes=[ClusterNode(LOCALHOST, node.description.port) for node in nodes],  # type: ignore[no-untyped-call]
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    return cast("redis.Redis", client)


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
