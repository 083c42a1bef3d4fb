"""The faults of a cluster for the nemesis (nemesis.py): faults of its servers, and changes of the number of shards under load.

Before each fault all servers run and follow each other: a master that dies while its only replica is away keeps its data, and no
ack level survives a second loss at the same moment (docs/scaling.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from cogento.queue import keys
from cogento.queue.layout import Layout, ShardSet
from tests.support import servers
from tests.support.cluster import ask, move_slot, role_of
from tests.support.mailbox_harm import HARMS
from tests.support.nemesis import (
    EVICTING_SECONDS,
    FAULTS,
    FREEZE_SECONDS,
    GAP_SECONDS,
    ROOM_BYTES,
    Mend,
)
from tests.support.stack import SHARDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.cluster import Node
    from tests.support.nemesis import Fault, Step
    from tests.support.stack import ClusterStack

WHOLE_SECONDS = 60
COUNTS = (1, 5, 6, 12, 24)
KEPT = (b":event:", b":aside:")


def kill_master(stack: ClusterStack, step: Step) -> Mend:
    """Kill a master; its replica may or may not take over before it is back."""
    master = _some_master(stack, step)
    master.kill()
    return Mend(GAP_SECONDS * step.how_long, lambda: _be_there(master))


def freeze_master(stack: ClusterStack, step: Step) -> Mend:
    """Freeze a master: it is replaced after a second, and later continues as if it were still the master."""
    master = _some_master(stack, step)
    master.freeze()
    return Mend(FREEZE_SECONDS * step.how_long, master.thaw)


def part_master_from_replica(stack: ClusterStack, step: Step) -> Mend:
    replica = stack.cluster.replica_of(_some_master(stack, step))
    replica.freeze()
    return Mend(FREEZE_SECONDS * step.how_long, replica.thaw)


def hand_over_master(stack: ClusterStack, step: Step) -> None:
    stack.cluster.hand_over(stack.cluster.replica_of(_some_master(stack, step)))


def move_shard_to_another_master(stack: ClusterStack, step: Step) -> None:
    """Move a shard to another master, key by key, under load."""
    layout = _layout(stack)
    target = _some_master(stack, step)
    tag = layout.tags[int(step.how_long * len(layout.tags))]
    if stack.cluster.master_of(tag) is not target:
        move_slot(stack.cluster, tag, target)


def cut_connections_to_master(stack: ClusterStack, step: Step) -> None:
    ask(_some_master(stack, step), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def lose_a_key_of_master(stack: ClusterStack, step: Step) -> None:
    """Delete or overwrite one random key of the mailboxes, but not that of an event, which could not be restored."""
    master = _some_master(stack, step)
    with redis.Redis.from_url(master.url) as client:
        found = sorted(
            key for key in client.scan_iter("{cogento:*", count=1000) if not any(kept in key for kept in KEPT)
        )
        harm = HARMS[int(step.how_long * len(HARMS))]
        for key in found[int(step.whom * len(found)) :][:1]:
            harm(client, key.decode())


def let_master_evict(stack: ClusterStack, step: Step) -> Mend:
    """Allow it to evict waiting events, with a limit that events would soon reach if they were still stored."""
    master = _some_master(stack, step)
    used = ask(master, "INFO", "memory")["used_memory"]  # type: ignore[index]
    ask(master, "CONFIG SET", "maxmemory-policy", "allkeys-lru")
    ask(master, "CONFIG SET", "maxmemory", used + ROOM_BYTES)
    return Mend(EVICTING_SECONDS * step.how_long, lambda: _forbid_eviction(master), refuses=True)


def change_number_of_shards(stack: ClusterStack, step: Step) -> None:
    """Deploy workers that want another number of shards; the receiver stays as it was."""
    stack.use_shards(COUNTS[int(step.whom * len(COUNTS))])


def restart_broker(stack: ClusterStack, _step: Step) -> None:
    stack.broker.restart()


SHARED = (
    *("kill_worker", "kill_receiver", "freeze_worker", "make_clocks_jump"),
    *(
        "restart_postgres_fast",
        "restart_postgres_immediately",
        "freeze_postgres",
        "cut_connections_to_postgres",
    ),
)
CLUSTER_FAULTS: Mapping[str, Fault] = {name: FAULTS[name] for name in SHARED} | {
    fault.__name__: fault
    for fault in (
        kill_master,
        freeze_master,
        part_master_from_replica,
        hand_over_master,
        move_shard_to_another_master,
        cut_connections_to_master,
        lose_a_key_of_master,
        let_master_evict,
        change_number_of_shards,
        restart_broker,
    )
}


def _some_master(stack: ClusterStack, step: Step) -> Node:
    """Return some master, once all servers run."""
    for node in stack.cluster.nodes:
        _be_there(node)
        _forbid_eviction(node)
    servers.wait_until(stack.cluster.is_whole, what="the cluster to be whole", seconds=WHOLE_SECONDS)
    masters = [node for node in stack.cluster.nodes if role_of(node) == "master"]
    return masters[int(step.whom * len(masters))]


def _be_there(node: Node) -> None:
    node.thaw()
    if node.process.exit_code() is not None:
        node.start()


def _forbid_eviction(node: Node) -> None:
    _be_there(node)
    ask(node, "CONFIG SET", "maxmemory-policy", "noeviction")
    ask(node, "CONFIG SET", "maxmemory", 0)


def _layout(stack: ClusterStack) -> Layout:
    """Return the layout in force; the first layout where it was lost just now."""
    found = None
    with redis.Redis.from_url(stack.cluster.master_of(keys.FIRST_TAG).url, protocol=2) as client:
        if client.type(keys.layout_key(keys.FIRST_TAG)) == b"string":
            found = Layout.parse(client.get(keys.layout_key(keys.FIRST_TAG)))
    return found or Layout(1, ShardSet(SHARDS), ShardSet(SHARDS))
