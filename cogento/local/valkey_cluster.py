"""A cluster of embedded Valkeys: masters with the slots divided evenly between them, each with a replica or several."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import redis

from cogento.local.errors import StartError
from cogento.local.ports import LOCALHOST
from cogento.local.supervisor import READY_POLL_SECONDS, START_SECONDS
from cogento.local.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SLOTS = 16_384
CLUSTER_SETTINGS: Mapping[str, str] = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": "5000",
    # When one master is away, the others still serve their slots.
    "cluster-require-full-coverage": "no",
    # Otherwise a replica that was disconnected from its master for a while never takes over.
    "cluster-replica-validity-factor": "0",
    # A replica moves to a master that has lost its own only where it leaves one behind.
    "cluster-migration-barrier": "1",
}


@dataclass(frozen=True, slots=True)
class ValkeyCluster:
    """The servers of one cluster, masters first, then the first replica of each, and so on."""

    nodes: Sequence[Valkey]
    masters: int

    @classmethod
    def plan(
        cls,
        folder: Path,
        *,
        masters: int,
        replicas_each: int,
        reserve_port: Callable[[], int],
        log_of: Callable[[str], Path],
        settings: Mapping[str, str] | None = None,
        **how: Any,
    ) -> ValkeyCluster:
        """Describe the servers, each in a folder of its own; `how` are the other arguments of Valkey."""
        nodes = [
            Valkey(
                folder=folder / f"valkey-{number}",
                port=reserve_port(),
                log=log_of(f"valkey-{number}"),
                settings={**CLUSTER_SETTINGS, "cluster-port": str(reserve_port()), **(settings or {})},
                name=f"valkey-{number}",
                **how,
            )
            for number in range(masters * (1 + replicas_each))
        ]
        return cls(nodes, masters)

    @property
    def url(self) -> str:
        """Where clients connect to."""
        login, _, _ = self.nodes[0].url.removeprefix("redis://").rpartition("@")
        hosts = ",".join(f"{LOCALHOST}:{node.port}" for node in self.nodes)
        return f"redis+cluster://{login}{'@' if login else ''}{hosts}"

    def form(self) -> None:
        """Make one cluster of the servers, once they run.

        Servers that were a cluster before know each other by their old ports: they are introduced again, and keep slots and
        roles.
        """
        is_new = all(_known_nodes(node) == 1 for node in self.nodes)
        for node in self.nodes[1:]:
            bus = (node.settings or {})["cluster-port"]
            _ask(self.nodes[0], "CLUSTER", "MEET", LOCALHOST, node.port, bus)
        if is_new:
            self._divide_slots()
            await_true(lambda: all(_known_nodes(node) == len(self.nodes) for node in self.nodes))
            self._give_replicas()
        await_true(self.is_whole)

    def is_whole(self) -> bool:
        """Whether each server finds all slots covered, and each master is followed by its replicas."""
        replicas = len(self.nodes) - self.masters
        return all(_is_ok(node) for node in self.nodes) and sum(map(_replicas, self.nodes)) >= replicas

    def _divide_slots(self) -> None:
        bounds = [SLOTS * number // self.masters for number in range(self.masters + 1)]
        for node, (start, end) in zip(self.nodes, pairwise(bounds), strict=False):
            _ask(node, "CLUSTER", "ADDSLOTSRANGE", start, end - 1)

    def _give_replicas(self) -> None:
        ids = [str(_ask(node, "CLUSTER", "MYID")) for node in self.nodes[: self.masters]]
        for number, node in enumerate(self.nodes[self.masters :]):
            _ask(node, "CLUSTER", "REPLICATE", ids[number % self.masters])


def await_true(condition: Callable[[], bool]) -> None:
    """Wait for a condition that the servers reach by themselves; raises StartError when it takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise StartError("the Valkeys did not become a cluster in time")
        time.sleep(READY_POLL_SECONDS)


def _ask(node: Valkey, *command: str | int) -> Any:
    with redis.Redis.from_url(node.url, protocol=2) as client:
        answer = client.execute_command(*command)
    return answer.decode() if isinstance(answer, bytes) else answer


def _info(node: Valkey) -> Mapping[str, str]:
    answer: Mapping[str, str] = _ask(node, "CLUSTER INFO")
    return answer


def _known_nodes(node: Valkey) -> int:
    return int(_info(node)["cluster_known_nodes"])


def _is_ok(node: Valkey) -> bool:
    info = _info(node)
    return info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == SLOTS


def _replicas(node: Valkey) -> int:
    info: Mapping[str, Any] = _ask(node, "INFO", "replication")
    if isinstance(info, str):
        return info.count("state=online")
    return sum(isinstance(value, dict) and value.get("state") == "online" for value in info.values())
