from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.process import Command, Process
from tests.integration.worker.post import Post
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
WORKER = (
    "--app",
    "worker.app",
    "worker",
    "--pool=threads",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)
LEASE_SECONDS = 2


@pytest.fixture
def post(redis_url: str, database_url: str) -> Iterator[Post]:
    """Mailboxes and tables, both empty."""
    office = Post.open(redis_url, database_url)
    yield office
    office.close()


@pytest.fixture
def start_worker(redis_url: str, database_url: str, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start a worker process with short leases and wait until it looks for mail."""
    started: list[Process] = []

    def start(**settings: str) -> Process:
        log = tmp_path / f"worker-{len(started)}.log"
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LEASE_SECONDS": str(LEASE_SECONDS),
            **settings,
        }
        command = Command(
            argv=(sys.executable, "-m", "celery", *WORKER), log=log, environment=environment, folder=ROOT
        )
        process = Process(command)
        started.append(process)
        wait_until(lambda: b"worker_started" in log.read_bytes(), what="the worker to start", seconds=40)
        return process

    yield start
    for process in started:
        process.kill()
