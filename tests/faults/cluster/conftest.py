"""A pipeline on a cluster of three masters and three replicas, whole before and after each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import servers
from tests.support.cluster import cluster
from tests.support.proxy import Proxy
from tests.support.redis_pipeline import Pipeline, running_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.local.valkey import Valkey
    from tests.support.cluster import RunningCluster
    from tests.support.databases import Administration

SHARDS = 12
SETTINGS = {"MAILBOX_SHARDS": f"{SHARDS}", "ACK_DURABILITY": "redis_replicated", "LEASE_SECONDS": "3"}


@pytest.fixture(scope="package")
def cluster_home() -> Iterator[Path]:
    """The folder of the processes' logs."""
    yield from servers.lend_home()


@pytest.fixture(scope="package")
def cluster_database(administration: Administration, migrated_template: str) -> Iterator[str]:
    """The URL of a migrated database for all of these tests."""
    yield from administration.lend(template=migrated_template)


@pytest.fixture(scope="package")
def whole_cluster(valkey_server: servers.RunningServer[Valkey]) -> Iterator[RunningCluster]:
    """Asks for the one server, which skips where there is no program for any."""
    assert valkey_server
    with cluster(masters=3, replicas_each=1) as started:
        yield started


@pytest.fixture(scope="package")
def whole_pipeline(
    whole_cluster: RunningCluster,
    valkey_server: servers.RunningServer[Valkey],
    cluster_database: str,
    cluster_home: Path,
) -> Iterator[Pipeline]:
    """A receiver and two workers on the cluster; their wake-ups lie on a Valkey beside it, behind a proxy."""
    with (
        Proxy(valkey_server.url) as proxy,
        running_pipeline(
            valkey_server,
            proxy,
            redis_url=whole_cluster.url,
            database_url=cluster_database,
            home=cluster_home,
            workers=2,
            settings={**SETTINGS, "BROKER_URL": proxy.url},
        ) as pipeline,
    ):
        yield pipeline


@pytest.fixture
def pipeline(whole_cluster: RunningCluster, whole_pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline, ready and empty before the test; after it all that was acknowledged must be applied, once and in order."""
    whole_cluster.await_whole()
    whole_pipeline.await_ready()
    yield whole_pipeline
    whole_cluster.await_whole()
    whole_pipeline.await_ready()
    whole_pipeline.await_applied(seconds=60)
    whole_pipeline.judge()
