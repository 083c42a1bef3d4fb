"""Workers that want another number of shards are killed in the middle of moving mailboxes, under load (F73, F74).

The receiver goes on as it was started, with the number of before; whatever it acknowledges is applied once and in order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

import pytest

from cogento.local.process import Process
from cogento.queue.layout import Layout
from tests.support import servers
from tests.support.builders import SECRET
from tests.support.checker import Checker
from tests.support.proxy import Proxy
from tests.support.redis_pipeline import Pipeline, Running, new_events, start_worker
from tests.support.running_receiver import RunningReceiver
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.local.valkey import Valkey
    from tests.support.databases import Administration

StartWorker = Callable[..., Process]

BACKLOG, CUSTOMERS = 600, 150
SOME, PAUSE_SECONDS = 40, 0.1
COUNTS = itertools.cycle([4, 1, 3, 12])
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    yield from servers.lend_home()


@pytest.fixture(scope="module")
def database(administration: Administration, migrated_template: str) -> Iterator[str]:
    yield from administration.lend(template=migrated_template)


@pytest.fixture(scope="module")
def redis_server(
    valkey_server: servers.RunningServer[Valkey], home: Path
) -> Iterator[servers.RunningServer[Valkey]]:
    """A Valkey for these tests alone; asks for `valkey_server` to skip where there is none."""
    assert valkey_server
    server = servers.start_valkey(home)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pipeline(redis_server: servers.RunningServer[Valkey], database: str, home: Path) -> Iterator[Pipeline]:
    """A receiver, and a worker of the earlier number of shards that has stopped."""
    with Proxy(redis_server.url) as proxy:
        receiver = RunningReceiver(redis_server.url, home / "receiver.log", ACK_DURABILITY="redis_fsync")
        receiver.await_answer()
        worker = start_worker(home / "worker.log", redis_server.url, database)
        checker = Checker(database, redis_server.url, logs=home, secrets=[SECRET])
        checker.install()
        worker.stop(within_seconds=30)
        yield Pipeline(redis_server, proxy, Running(receiver, worker), database, checker)
        receiver.end()


@pytest.fixture
def start(pipeline: Pipeline, home: Path) -> Iterator[StartWorker]:
    """Start a worker that wants so many shards; it ends with the test."""
    pipeline.redis.delete("{cogento:0}:workers")  # those that were killed count for half a minute
    started: list[Process] = []

    def start_one(shards: int, **environment: str) -> Process:
        log = home / f"worker-{next(numbers)}.log"
        settings = {"MAILBOX_SHARDS": str(shards), "LEASE_SECONDS": "3", **environment}
        started.append(start_worker(log, pipeline.valkey.url, pipeline.database_url, **settings))
        return started[-1]

    yield start_one
    for worker in started:
        worker.stop(within_seconds=30)


def layout(pipeline: Pipeline) -> Layout:
    found = Layout.parse(pipeline.redis.get("{cogento:0}:layout"))  # type: ignore[arg-type]
    assert found is not None
    return found


def is_settled(pipeline: Pipeline, shards: int) -> bool:
    found = layout(pipeline)
    return not found.is_changing and found.current.count == shards


@contextmanager
def load(pipeline: Pipeline) -> Iterator[None]:
    """Deliver a backlog, and some more all through the block, each event until it is accepted."""
    pipeline.deliver(new_events(BACKLOG, customers=CUSTOMERS))
    over = Event()

    def send() -> None:
        while not over.wait(PAUSE_SECONDS):
            pipeline.deliver(new_events(SOME, customers=CUSTOMERS), clients=4)

    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(send)
        try:
            yield
        finally:
            over.set()
        sending.result()


@pytest.mark.parametrize(
    "where",
    [
        "after_arrive",
        *(
            pytest.param(name, marks=pytest.mark.chaos)
            for name in ("move_begun", "after_leave", "after_left")
        ),
    ],
)
def test_f73_whoever_moves_mailboxes_is_killed_at_any_step_and_another_goes_on(
    where: str, pipeline: Pipeline, start: StartWorker
) -> None:
    shards = next(COUNTS)
    with load(pipeline):
        first = start(shards, FAILPOINTS=f"{where}=kill", WORKER_CONCURRENCY="1")
        wait_until(lambda: first.exit_code() is not None, what="the worker to be killed", seconds=60)
        assert layout(pipeline).is_changing
        start(shards)
    wait_until(lambda: is_settled(pipeline, shards), what="the shards to have changed", seconds=60)
    pipeline.await_applied(seconds=60)
    pipeline.judge()


def test_f74_nothing_changes_before_every_worker_wishes_for_the_same(
    pipeline: Pipeline, start: StartWorker
) -> None:
    before = layout(pipeline).current.count
    shards = next(COUNTS)
    with load(pipeline):
        old = start(before)
        new = start(shards)
        wait_until(lambda: shards in wishes(pipeline), what="the new one to wish")
        wait_until(lambda: len(pipeline.ledger()) > BACKLOG, what="events to be applied", seconds=60)
        assert is_settled(pipeline, before)
        old.stop(within_seconds=30)
    wait_until(lambda: is_settled(pipeline, shards), what="the shards to have changed", seconds=60)
    assert new.exit_code() is None
    pipeline.await_applied(seconds=60)
    pipeline.judge()


def wishes(pipeline: Pipeline) -> set[int | None]:
    return {worker.shards for worker in pipeline.mailboxes.workers.seen() if worker.is_alive}
