"""One pipeline for all tests of this folder, healthy before and after each."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support import servers
from tests.support.proxy import Proxy
from tests.support.redis_pipeline import Pipeline, Running, running_pipeline, start_worker
from tests.support.running_receiver import RunningReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.local.process import Process
    from cogento.local.valkey import Valkey
    from tests.support.databases import Administration

StartReceiver = Callable[..., RunningReceiver]
StartPair = Callable[..., Running]

numbers = itertools.count(1)
SLOW_TO_LOAD = {"key-load-delay": "500", "loading-process-events-interval-bytes": "1024"}


@pytest.fixture(scope="package")
def faults_home() -> Iterator[Path]:
    """The folder of this folder's servers and logs, on a disk."""
    yield from servers.lend_home()


@pytest.fixture(scope="package")
def faults_database(administration: Administration, migrated_template: str) -> Iterator[str]:
    """The URL of a migrated database for all of these tests."""
    yield from administration.lend(template=migrated_template)


@pytest.fixture(scope="package")
def faults_valkey(
    valkey_server: servers.RunningServer[Valkey], faults_home: Path
) -> Iterator[servers.RunningServer[Valkey]]:
    """A Valkey to be hurt; asks for `valkey_server` to skip where there is none."""
    server = servers.start_valkey(faults_home, settings={**servers.QUICK_VALKEY, **SLOW_TO_LOAD})
    yield server
    server.stop()


@pytest.fixture(scope="package")
def whole_pipeline(
    faults_valkey: servers.RunningServer[Valkey], faults_database: str, faults_home: Path
) -> Iterator[Pipeline]:
    """The pipeline that all tests share: starting one takes seconds."""
    with (
        Proxy(faults_valkey.url) as proxy,
        running_pipeline(
            faults_valkey,
            proxy,
            redis_url=proxy.url,
            seen_at=faults_valkey.url,
            database_url=faults_database,
            home=faults_home,
            receiver_settings={"ACK_DURABILITY": "redis_fsync"},
        ) as pipeline,
    ):
        yield pipeline


@pytest.fixture
def pipeline(whole_pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline, ready and empty before the test; after it, it must be the same processes and heal."""
    whole_pipeline.await_ready()
    worker_pid = whole_pipeline.worker.pid
    yield whole_pipeline
    whole_pipeline.proxy.heal()
    whole_pipeline.valkey.thaw()
    whole_pipeline.await_ready()
    whole_pipeline.await_applied()
    assert whole_pipeline.worker.exit_code() is None, whole_pipeline.worker.last_log_lines()
    assert whole_pipeline.worker.pid == worker_pid
    whole_pipeline.judge()


@pytest.fixture
def start_receiver(pipeline: Pipeline, faults_home: Path) -> Iterator[StartReceiver]:
    """Start a further receiver beside the pipeline's, which ends with the test."""
    started: list[RunningReceiver] = []

    def start(redis_url: str, **environment: str) -> RunningReceiver:
        log = faults_home / f"receiver-{next(numbers)}.log"
        started.append(RunningReceiver(redis_url, log, seen_at=pipeline.valkey.url, **environment))
        started[-1].await_answer()
        return started[-1]

    yield start
    for receiver in started:
        receiver.end()


SHORT_LEASE = "3"
"""What a further worker holds when it is killed or locked out comes back before anybody stops waiting for it."""


@pytest.fixture
def start_pair(pipeline: Pipeline, faults_home: Path, start_receiver: StartReceiver) -> Iterator[StartPair]:
    """Start a further receiver and worker beside the pipeline's, which end with the test."""
    started: list[Process] = []

    def start(redis_url: str, **environment: str) -> Running:
        log = faults_home / f"worker-{next(numbers)}.log"
        settings = {"LEASE_SECONDS": SHORT_LEASE, **environment}
        started.append(start_worker(log, redis_url, pipeline.database_url, **settings))
        return Running(start_receiver(redis_url, **environment), started[-1])

    yield start
    for worker in started:
        worker.kill()
