"""What `cogento run --cluster` starts in place of one Valkey: a cluster for the mailboxes, and beside it a Valkey for the wake-ups.

Three masters with a replica each; and for Celery, which cannot use a cluster, a Valkey with a replica that two Sentinels
watch. Ports differ in each run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.local.ports import LOCALHOST
from cogento.local.valkey import Valkey
from cogento.local.valkey_cluster import ValkeyCluster
from cogento.local.valkey_sentinel import ValkeySentinel, sentinel_url

if TYPE_CHECKING:
    from cogento.local.data_folder import DataFolder
    from cogento.local.ports import Ports
    from cogento.local.supervisor import Supervisor

MASTERS, REPLICAS_EACH, SENTINELS = 3, 1, 2
SHARDS = 12
"""Divides evenly among two, three, four or six masters."""
WATCHED = "wakeups"


def start_cluster(folder: DataFolder, supervisor: Supervisor, ports: Ports) -> tuple[str, str]:
    """Start all of it, and return the URLs of the mailboxes and of the wake-ups, once both can be used."""
    cluster = ValkeyCluster.plan(
        folder.path,
        masters=MASTERS,
        replicas_each=REPLICAS_EACH,
        reserve_port=ports.reserve_any,
        log_of=folder.log,
        secrets_folder=folder.path,
    )
    broker = Valkey(
        folder=folder.path / "broker",
        port=ports.reserve_any(),
        log=folder.log("broker"),
        secrets_folder=folder.path,
        name="broker",
    )
    follower = Valkey(
        folder=folder.path / "broker-replica",
        port=ports.reserve_any(),
        log=folder.log("broker-replica"),
        settings={"replicaof": f"{LOCALHOST} {broker.port}"},
        secrets_folder=folder.path,
        name="broker-replica",
    )
    supervisor.start([*cluster.nodes, broker, follower])
    cluster.form()
    sentinels = [
        ValkeySentinel(
            folder=folder.path / f"sentinel-{number}",
            port=ports.reserve_any(),
            log=folder.log(f"sentinel-{number}"),
            watched=broker,
            master=WATCHED,
            name=f"sentinel-{number}",
        )
        for number in range(SENTINELS)
    ]
    for sentinel in sentinels:
        sentinel.forget()
    supervisor.start(sentinels)
    return cluster.url, sentinel_url(sentinels)
