"""A Valkey with a replica and two Sentinels that watch them, on this machine."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.local.ports import LOCALHOST, free_port
from cogento.local.valkey_sentinel import ValkeySentinel, sentinel_url
from tests.support import servers
from tests.support.cluster import ask, role_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.cluster import Node

MASTER = "mail"


@dataclass(frozen=True)
class Watched:
    """The two servers, and the Sentinels."""

    nodes: Sequence[Node]
    sentinels: Sequence[servers.Running[ValkeySentinel]]

    @property
    def url(self) -> str:
        return sentinel_url([one.description for one in self.sentinels])

    def master(self) -> Node:
        node = self.agreed_master()
        assert node is not None, "no server is master and named so by all Sentinels"
        return node

    def agreed_master(self) -> Node | None:
        """The server that is master and named so by all Sentinels; for a moment after a start there may be none."""
        masters = (
            node
            for node in self.nodes
            if node.process.exit_code() is None and role_of(node) == "master" and self.is_named(node)
        )
        return next(masters, None)

    def replica(self) -> Node:
        return next(node for node in self.nodes if node is not self.master())

    def is_named(self, node: Node) -> bool:
        """Whether all Sentinels name it as the master."""
        told = [ask(one, "SENTINEL", "get-master-addr-by-name", MASTER, raw=True) for one in self.sentinels]
        return all(address[1] == b"%d" % node.description.port for address in told)  # type: ignore[index]

    def fail_over(self) -> None:
        """Kill the master, and wait until the other one has taken over."""
        gone, successor = self.master(), self.replica()
        gone.kill()
        servers.wait_until(
            lambda: role_of(successor) == "master" and self.is_named(successor),
            what="the replica to take over",
            seconds=60,
        )

    def await_whole(self) -> None:
        servers.wait_until(
            self._is_followed,
            what="the replica to follow",
            seconds=60,
        )

    def _is_followed(self) -> bool:
        master = self.agreed_master()
        return master is not None and b"state=online" in ask(master, "INFO", "replication", raw=True)  # type: ignore[operator]


@contextmanager
def watched() -> Iterator[Watched]:
    """Start them, until the block ends."""
    home = servers.make_quick_home()
    started: list[servers.Running[ValkeySentinel]] = []
    nodes: list[Node] = []
    try:
        nodes.append(servers.start_valkey(home / "one"))
        follow = {"replicaof": f"{LOCALHOST} {nodes[0].description.port}"}
        nodes.append(servers.start_valkey(home / "two", settings={**servers.QUICK_VALKEY, **follow}))
        for number in range(2):
            description = ValkeySentinel(
                folder=home / f"sentinel-{number}",
                port=free_port(),
                log=home / f"sentinel-{number}.log",
                watched=nodes[0].description,
                master=MASTER,
                down_after_seconds=1,
                binary=servers.chosen("TEST_REDIS_SERVER"),
                name=f"sentinel-{number}",
            )
            started.append(servers.Running(description))
        system = Watched(nodes, started)
        servers.wait_until(
            lambda: all(_others_known(one) == 1 for one in started), what="the Sentinels to know each other"
        )
        yield system
    finally:
        for sentinel in started:
            sentinel.kill()
        for node in nodes:
            node.kill()
        shutil.rmtree(home, ignore_errors=True)


def _others_known(sentinel: servers.Running[ValkeySentinel]) -> int:
    told = ask(sentinel, "SENTINEL", "MASTER", MASTER, raw=True)
    facts = dict(zip(told[::2], told[1::2], strict=True))  # type: ignore[index]
    return int(facts[b"num-other-sentinels"])
