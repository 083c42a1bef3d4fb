"""How many connections each process takes, at most: two web processes, a worker and a deployment's overlap fit the small plans."""

from __future__ import annotations

import re
import threading
from collections import Counter
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import pytest

from tests.support.builders import customer, event_body
from tests.support.running_receiver import RunningReceiver
from tests.support.running_worker import RunningWorker
from tests.support.servers import wait_until
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.sockets import connections_to
from tests.support.storm import storm
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import lived
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text()
SMALL_PLAN = 20
EVENTS = 1000
WEB_PROCESSES = 2


class Watch:
    """Counts connections every few milliseconds, by kind of process and server, and keeps the most."""

    def __init__(self, redis_url: str, database_url: str) -> None:
        self.ports = {"redis": urlsplit(redis_url).port or 0, "postgres": urlsplit(database_url).port or 0}
        self.pids: dict[int, str] = {}
        self.most: Counter[tuple[str, str]] = Counter()
        self.together: Counter[str] = Counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            for server, port in self.ports.items():
                counted = {pid: connections_to(port, pid) for pid in [*self.pids]}
                self.together[server] = max(self.together[server], sum(counted.values()))
                for pid, connections in counted.items():
                    known = (self.pids[pid], server)
                    self.most[known] = max(self.most[known], connections)


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    simulated = SimulatedStripe(lived(steps=60, population=10))
    yield simulated
    simulated.close()


def documented() -> dict[tuple[str, str], int]:
    """What docs/deploying.md says that a process takes, of each server."""
    rows = re.findall(r"^\| (receiver|worker)\b[\w ]* \| (\d+) \| (\d+) \|$", PAGE, flags=re.MULTILINE)
    return {
        (name, server): int(most)
        for name, *counts in rows
        for server, most in zip(("redis", "postgres"), counts, strict=True)
    }


def test_two_web_processes_and_a_worker_fit_a_small_plan_while_they_are_exchanged(
    redis_url: str, database_url: str, tmp_path: Path, stripe: SimulatedStripe
) -> None:
    receivers = [RunningReceiver(redis_url, tmp_path / f"web-{n}", WEB_CONCURRENCY="2") for n in (1, 2)]
    asks = {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": stripe.url}
    workers = [
        RunningWorker(redis_url, database_url, tmp_path / f"worker-{n}", WORKER_CONCURRENCY="2", **asks)
        for n in (1, 2)
    ]
    with Watch(redis_url, database_url) as watch:
        for receiver in receivers:
            receiver.await_answer()
            watch.pids |= dict.fromkeys(receiver.worker_pids(), "receiver")
        for worker in workers:
            watch.pids[worker.pid] = "worker"
            worker.await_start()
        storms = [Thread(target=send_many, args=(receiver, n)) for n, receiver in enumerate(receivers)]
        for one in storms:
            one.start()
        for one in storms:
            one.join()
        wait_until(lambda: receivers[0].waiting() == 0, what="the events to be applied", seconds=60)
    for running in [*(receiver.process for receiver in receivers), *(worker.process for worker in workers)]:
        running.ask_to_stop()
    for receiver in receivers:
        receiver.stop()
    for worker in workers:
        worker.process.stop(within_seconds=30)

    assert len(watch.pids) == 2 * (WEB_PROCESSES + 1)
    assert {known: most for known, most in watch.most.items() if most > documented()[known]} == {}
    assert {server: most for server, most in watch.together.items() if most > SMALL_PLAN} == {}
    assert watch.together["redis"] > SMALL_PLAN / 2  # they were at work, all at once


def send_many(receiver: RunningReceiver, number: int) -> None:
    requests = [
        Request(event_body("customer.updated", customer(f"cus_{n % 500}"), id_=f"evt_{number}_{n}"))
        for n in range(EVENTS)
    ]
    replies = storm(receiver, requests, clients=16)
    assert {reply.answer.status for reply in replies if reply.answer} == {200}


def test_a_deployment_as_documented_fits_a_small_plan() -> None:
    for server in ("redis", "postgres"):
        at_once = WEB_PROCESSES * documented()["receiver", server] + documented()["worker", server]
        assert 2 * at_once <= SMALL_PLAN
