"""The master that Sentinel watches is lost under load (F75 to F78): another one takes over, and keeps what the ack level promises.

The fixture's end judges each test: what was answered 2xx is applied, once and in order, and no attempt was wasted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support import servers
from tests.support.cluster import ask, role_of
from tests.support.proxy import Proxy
from tests.support.redis_pipeline import Pipeline, new_event, new_events, running_pipeline
from tests.support.sentinel import watched
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.local.valkey import Valkey
    from tests.support.cluster import Node
    from tests.support.databases import Administration
    from tests.support.sentinel import Watched

CUSTOMERS = 40


@pytest.fixture(scope="module")
def system(valkey_server: servers.RunningServer[Valkey]) -> Iterator[Watched]:
    """Asks for the one server, which skips where there is no program for any."""
    assert valkey_server
    with watched() as started:
        yield started


@pytest.fixture(scope="module")
def database(administration: Administration, migrated_template: str) -> Iterator[str]:
    """The URL of a migrated database for all of these tests."""
    yield from administration.lend(template=migrated_template)


@contextmanager
def pipeline_on(
    system: Watched, valkey: servers.RunningServer[Valkey], database: str, *, level: str, workers: int
) -> Iterator[Pipeline]:
    """A receiver and workers; their wake-ups lie on a Valkey beside it."""
    home = servers.make_home()
    with Proxy(valkey.url) as proxy:
        settings = {"ACK_DURABILITY": level, "LEASE_SECONDS": "3", "BROKER_URL": proxy.url}
        with running_pipeline(
            valkey,
            proxy,
            redis_url=system.url,
            database_url=database,
            home=home,
            workers=workers,
            settings=settings,
        ) as started:
            yield started
    servers.leave_home(home)


@pytest.fixture(scope="module")
def whole_pipeline(
    system: Watched, valkey_server: servers.RunningServer[Valkey], database: str
) -> Iterator[Pipeline]:
    """The pipeline that these tests share."""
    with pipeline_on(system, valkey_server, database, level="redis_replicated", workers=2) as started:
        yield started


@pytest.fixture
def pipeline(system: Watched, whole_pipeline: Pipeline) -> Iterator[Pipeline]:
    whole_pipeline.await_ready()
    yield whole_pipeline
    mend(system)
    whole_pipeline.await_ready()
    whole_pipeline.await_applied(seconds=60)
    whole_pipeline.judge()


def mend(system: Watched) -> None:
    for node in system.nodes:
        node.thaw()
        if node.process.exit_code() is not None:
            node.start()
    system.await_whole()


@contextmanager
def load(pipeline: Pipeline, *, events: int = 800) -> Iterator[None]:
    """Deliver events from the beginning of the block on, each until it is accepted, and await the last at its end."""
    before = len(pipeline.ledger())
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(pipeline.deliver, new_events(events, customers=CUSTOMERS), clients=4)
        wait_until(lambda: len(pipeline.ledger()) > before + 20, what="the first events to be applied")
        yield
        sending.result()


def await_successor(system: Watched, successor: Node) -> None:
    wait_until(
        lambda: role_of(successor) == "master" and system.is_named(successor),
        what="the replica to take over",
        seconds=60,
    )


def test_f75_the_master_is_killed_and_its_replica_takes_over(system: Watched, pipeline: Pipeline) -> None:
    gone, successor = system.master(), system.replica()
    with load(pipeline):
        gone.kill()
        await_successor(system, successor)
        gone.start()


@pytest.mark.chaos
def test_f76_a_master_that_freezes_is_replaced_and_comes_back_as_a_replica(
    system: Watched, pipeline: Pipeline
) -> None:
    frozen, successor = system.master(), system.replica()
    with load(pipeline):
        frozen.freeze()
        await_successor(system, successor)
        frozen.thaw()
    wait_until(lambda: role_of(frozen) == "slave", what="the old master to follow", seconds=60)


@pytest.mark.chaos
def test_f77_a_master_that_cannot_see_its_replica_acknowledges_nothing(
    system: Watched, pipeline: Pipeline
) -> None:
    replica = system.replica()
    with load(pipeline):
        replica.freeze()
        wait_until(lambda: pipeline.ask(new_event()) == 503, what="a refusal")
        replica.thaw()


@pytest.mark.chaos
def test_f78_what_no_replica_had_is_lost_with_its_master_where_they_are_no_part_of_the_promise(
    valkey_server: servers.RunningServer[Valkey],
    administration: Administration,
    migrated_template: str,
) -> None:
    with (
        watched() as system,  # of its own: the others' workers would take what waits here
        contextmanager(administration.lend)(template=migrated_template) as database,
        pipeline_on(system, valkey_server, database, level="redis_fsync", workers=1) as pipeline,
    ):
        pipeline.deliver(new_events(100, customers=CUSTOMERS))
        pipeline.await_applied(seconds=60)
        gone, successor = system.master(), system.replica()
        with pipeline.worker_asleep():
            pipeline.deliver(new_events(50, customers=CUSTOMERS))
            ask(gone, "WAIT", 1, 5000)
            kept = set(pipeline.accepted)
            successor.freeze()
            ask(gone, "CLIENT", "KILL", "TYPE", "replica")
            pipeline.deliver(new_events(50, customers=CUSTOMERS))
            gone.kill()
            successor.thaw()
            await_successor(system, successor)
        wait_until(lambda: kept <= pipeline.ledger().keys(), what="what it had to be applied", seconds=60)
        lost = pipeline.unaccounted()
        assert len(lost) == 50
        pipeline.accepted -= lost
        mend(system)
        pipeline.await_applied(seconds=60)
        pipeline.judge()
