"""What tests of Postgres's faults have in their hands besides: the tables, workers, and tests that are coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento import runtime
from cogento.settings import WorkerSettings
from tests.integration.store import conftest as stores
from tests.support.looped import looped
from tests.support.proxy import Proxy
from worker.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

loop = stores.loop
store = stores.store
sql = stores.sql
more_sql = stores.more_sql
pytest_pyfunc_call = stores.pytest_pyfunc_call


@pytest.fixture
def tables(database_url: str) -> Iterator[psycopg.Connection]:
    """A hand in the tables; closed with the test, or by what the test does to the server."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


class WorkerHere:
    """WorkerProcess, for tests that have no loop."""

    def __init__(self, process: WorkerProcess) -> None:
        self.looped = process

    start = looped(WorkerProcess.start)
    stop = looped(WorkerProcess.stop)


@pytest.fixture
def start_worker_here(redis_url: str, worker_url: str) -> Iterator[Callable[[], WorkerHere]]:
    """Start workers within the test's own process: all that production puts together, but for Celery."""
    started: list[WorkerHere] = []

    def start(**settings: object) -> WorkerHere:
        environment = {"redis_url": redis_url, "database_url": worker_url, "lease_seconds": 2, **settings}
        worker = WorkerHere(runtime.run(WorkerProcess.open(WorkerSettings.model_validate(environment))))
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.stop()


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as between:
        yield between
