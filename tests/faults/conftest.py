"""Fixtures of the tests of faults: triggers in the database that record every write from the first event on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.settings import WorkerSettings
from tests.support.builders import SECRET
from tests.support.checker import Checker
from tests.support.forked_process import Launch, start_process
from tests.support.running_receiver import FASTPATH, RunningReceiver
from tests.support.worker_here import WorkerHere
from tests.support.worker_trial import WorkerTrial
from worker.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.post import Post


@pytest.fixture
def checker(database_url: str, redis_url: str, tmp_path: Path) -> Checker:
    """A checker that has recorded everything, and reads all logs of the test."""
    checker = Checker(database_url, redis_url, logs=tmp_path, secrets=[SECRET])
    checker.install()
    return checker


@pytest.fixture
def trial(post: Post, checker: Checker) -> WorkerTrial:
    """Mailboxes and tables for tests that break workers."""
    return WorkerTrial(post, checker)


@pytest.fixture
def start_receiver(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., RunningReceiver]]:
    """Start receivers that answer when this returns and end with the test."""
    started: list[RunningReceiver] = []

    def start(launch: Launch = start_process, /, **settings: str) -> RunningReceiver:
        log = tmp_path / f"receiver-{len(started)}.log"
        receiver = RunningReceiver(redis_url, log, FASTPATH, launch, **settings)
        started.append(receiver)
        receiver.await_answer()
        return receiver

    yield start
    for receiver in started:
        receiver.end()


@pytest.fixture
def start_worker_here(redis_url: str, worker_url: str) -> Iterator[Callable[[], WorkerHere]]:
    """Start workers within the test's own process, for a tenth of the time: everything as in production, except Celery."""
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
