"""A cluster of Valkeys on this machine, and what can happen to one."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import redis
from redis.crc import key_slot

from cogento.local.ports import LOCALHOST, free_port
from cogento.local.valkey_cluster import ValkeyCluster
from cogento.queue.durability import AckDurability
from cogento.queue.keys import tags
from tests.support import servers
from tests.support.looped import LoopedMailboxes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cogento.local.valkey import Valkey

    Node = servers.RunningServer[Valkey]

QUICK_FAILOVER = {"cluster-node-timeout": "1000", "repl-ping-replica-period": "1"}


@dataclass(frozen=True)
class RunningCluster:
    """Its servers: masters first, then their replicas, in their roles at the start."""

    description: ValkeyCluster
    nodes: Sequence[Node]

    @property
    def url(self) -> str:
        return self.description.url

    def mailboxes(
        self, *, shards: int, ack: AckDurability | None = AckDurability.REDIS_FSYNC
    ) -> LoopedMailboxes:
        """Connect to the mailboxes."""
        return LoopedMailboxes.connect(self.url, shards=shards, ack=ack)

    def master_of(self, tag: str) -> Node:
        """The server that has a shard now, according to the others."""
        slot = key_slot(tag.encode())
        for node in self.alive():
            for start, end, (_host, port, *_), *_ in ask(node, "CLUSTER SLOTS", raw=True):  # type: ignore[attr-defined]
                if start <= slot <= end and self.is_alive(port):
                    return self.at(port)
        raise AssertionError(f"nobody has {tag}")

    def replica_of(self, master: Node) -> Node:
        """A server that follows another."""
        for node in self.alive():
            role = ask(node, "ROLE", raw=True)
            if role[0] == b"slave" and role[2] == master.description.port:  # type: ignore[index]
                return node
        raise AssertionError("it has no replica")

    def at(self, port: int) -> Node:
        return next(node for node in self.nodes if node.description.port == port)

    def is_alive(self, port: int) -> bool:
        return self.at(port) in self.alive()

    def alive(self) -> list[Node]:
        return [node for node in self.nodes if node.process.exit_code() is None]

    def shards_of(self, node: Node, *, shards: int) -> list[str]:
        """The tags of the shards that a server has keys of."""
        return [tag for tag in tags(shards) if ask(node, "KEYS", f"{tag}:*")]

    def hand_over(self, replica: Node) -> None:
        """Make a replica the master by a regular failover, and wait until it is."""
        ask(replica, "CLUSTER", "FAILOVER")
        servers.wait_until(lambda: role_of(replica) == "master", what="the replica to take over")

    def await_whole(self) -> None:
        servers.wait_until(self.is_whole, what="the cluster to be whole", seconds=60)

    def is_whole(self) -> bool:
        """Whether every server runs, finds all slots covered, and each master is followed by a replica if it had any."""
        try:
            return self.description.is_whole()
        except redis.RedisError:
            return False

    def flush(self) -> None:
        for node in self.alive():
            if role_of(node) == "master":
                ask(node, "FLUSHALL")


@contextmanager
def cluster(
    *, masters: int = 3, replicas_each: int = 0, settings: Mapping[str, str] | None = None
) -> Iterator[RunningCluster]:
    """So many masters with so many replicas each; gone with the block."""
    home = servers.make_quick_home()
    description = ValkeyCluster.plan(
        home,
        masters=masters,
        replicas_each=replicas_each,
        reserve_port=free_port,
        log_of=lambda name: home / f"{name}.log",
        settings={**servers.QUICK_VALKEY, **QUICK_FAILOVER, **(settings or {})},
        binary=servers.chosen("TEST_REDIS_SERVER"),
        throwaway=True,
    )
    nodes: list[Node] = []
    try:
        nodes += [servers.RunningServer(node) for node in description.nodes]
        description.form()
        yield RunningCluster(description, nodes)
    finally:
        for running in nodes:
            running.kill()
        shutil.rmtree(home, ignore_errors=True)


class Listening(Protocol):
    """Something that listens on a port of this machine."""

    @property
    def port(self) -> int:
        """The port."""


def ask(node: servers.Running[Any], *command: str | int, raw: bool = False) -> object:
    """Run one command on one server, or Sentinel; with `raw` the answer is not decoded."""
    listening: Listening = node.description
    with redis.Redis(host=LOCALHOST, port=listening.port, protocol=2) as client:
        if raw:
            client.response_callbacks.clear()
        answer: object = client.execute_command(*command)
        return answer


def role_of(node: Node) -> str:
    """`master` or `slave`."""
    role = ask(node, "ROLE", raw=True)
    return role[0].decode()  # type: ignore[index, no-any-return]


def move_slot(cluster_: RunningCluster, tag: str, target: Node, *, stop_after: int | None = None) -> None:
    """Move a shard's slot to another master key by key, as resharding tools do; stop half-way after so many keys."""
    slot = key_slot(tag.encode())
    source = cluster_.master_of(tag)
    ids = {node: _id_of(node) for node in (source, target)}
    ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    moved = 0
    while keys := ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 10, raw=True):
        for key in keys:  # type: ignore[attr-defined]
            if stop_after is not None and moved >= stop_after:
                return
            ask(source, "MIGRATE", LOCALHOST, target.description.port, key, 0, 5000)
            moved += 1
    finish_slot(cluster_, tag, source, target)


def finish_slot(cluster_: RunningCluster, tag: str, source: Node, target: Node) -> None:
    """Assign the slot to the target, in the order in which resharding tools do."""
    slot = key_slot(tag.encode())
    for node in (target, source, *(other for other in cluster_.alive() if role_of(other) == "master")):
        ask(node, "CLUSTER", "SETSLOT", slot, "NODE", _id_of(target))


def keep_slot(tag: str, source: Node, target: Node) -> None:
    """Call off a move of which no key has gone yet."""
    slot = key_slot(tag.encode())
    for node in (source, target):
        ask(node, "CLUSTER", "SETSLOT", slot, "STABLE")


def _id_of(node: Node) -> str:
    return ask(node, "CLUSTER", "MYID", raw=True).decode()  # type: ignore[attr-defined, no-any-return]
