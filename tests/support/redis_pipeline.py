"""A receiver and a worker in processes of their own, on a Redis to which a test does faults.

Both reach their Redis through a proxy; the test itself looks at Redis and Postgres directly.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from cogento.events.versions import ORDER_WINDOW
from cogento.local.process import Command
from tests.support.builders import NOW, SECRET, customer, event_body
from tests.support.checker import Checker
from tests.support.forked_process import start_process
from tests.support.running_receiver import ROOT, RunningReceiver
from tests.support.servers import wait_until
from tests.support.storm import storm
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import redis

    from cogento.local.process import Process
    from cogento.local.valkey import Valkey
    from tests.support.looped import LoopedMailboxes
    from tests.support.proxy import Proxy
    from tests.support.servers import RunningServer
    from tests.support.storm import Reply
    from tests.support.wire import HttpAnswer

START_SECONDS = 40
RECOVERY_SECONDS = 10
"""How long after a fault the receiver may still answer 503, and a worker may still take no events."""

numbers = itertools.count(1)


def start_worker(log: Path, redis_url: str, database_url: str, **environment: str) -> Process:
    """Start a worker process and wait until it looks for events."""
    command = Command(
        argv=(sys.executable, "-m", "worker"),
        log=log,
        environment={"REDIS_URL": redis_url, "DATABASE_URL": database_url, **environment},
        folder=ROOT,
    )
    worker = start_process(command)
    wait_until(
        lambda: b"worker_started" in log.read_bytes(), what="the worker to start", seconds=START_SECONDS
    )
    return worker


@contextmanager
def running_pipeline(
    valkey: RunningServer[Valkey],
    proxy: Proxy,
    *,
    redis_url: str,
    database_url: str,
    home: Path,
    seen_at: str | None = None,
    workers: int = 1,
    settings: Mapping[str, str] | None = None,
    receiver_settings: Mapping[str, str] | None = None,
) -> Iterator[Pipeline]:
    """A receiver and workers on a Redis, ready, and a checker that reads Redis by `seen_at`; ended with the block.

    The tests do faults to `valkey` and `proxy`.
    """
    shared = dict(settings or {})
    receiver = RunningReceiver(
        redis_url, home / "receiver.log", seen_at=seen_at, **{**shared, **(receiver_settings or {})}
    )
    logs = [home / f"worker-{number}.log" for number in range(workers)]
    started = [start_worker(log, redis_url, database_url, **shared) for log in logs]
    receiver.await_answer()
    checker = Checker(database_url, seen_at or redis_url, logs=home, secrets=[SECRET])
    checker.install()
    yield Pipeline(valkey, proxy, Running(receiver, started[0]), database_url, checker)
    for worker in started:
        worker.kill()
    receiver.end()


def event_id(request: Request) -> str:
    """The id of the event in a webhook."""
    return str(json.loads(request.body)["id"])


def new_event(customer_id: str = "cus_1", **fields: int) -> Request:
    """A webhook of an event that was never sent before, and is surely later than all that were made before it."""
    number = next(numbers)
    when = {"created": NOW + number * (ORDER_WINDOW + 1)}
    return Request(
        event_body("customer.updated", customer(customer_id), id_=f"evt_{number}", **when | fields)
    )


def new_events(count: int, *, customers: int = 10) -> list[Request]:
    """Webhooks of new events over some customers."""
    return [new_event(f"cus_{number % customers}") for number in range(count)]


@dataclass(frozen=True)
class Running:
    """A receiver and a worker, and what they wrote."""

    receiver: RunningReceiver
    worker: Process

    def worker_says(self) -> str:
        return self.worker.command.log.read_text()

    def logs(self) -> str:
        return self.receiver.log.read_text() + self.worker_says()


@dataclass
class Pipeline:
    """Everything from the webhook to the row; `accepted` collects the ids that were answered 2xx."""

    valkey: RunningServer[Valkey]
    proxy: Proxy
    running: Running
    database_url: str
    checker: Checker
    accepted: set[str] = field(default_factory=set)

    @property
    def receiver(self) -> RunningReceiver:
        return self.running.receiver

    @property
    def worker(self) -> Process:
        return self.running.worker

    @property
    def mailboxes(self) -> LoopedMailboxes:
        """The mailboxes, read without the proxy."""
        return self.receiver.mailboxes

    @property
    def redis(self) -> redis.Redis:
        """A connection to the server itself."""
        return self.receiver.redis

    def send(self, requests: list[Request], *, clients: int = 10) -> list[Reply]:
        """Send each once and note what was acknowledged."""
        replies = storm(self.receiver, requests, clients=clients)
        self.accepted |= accepted_ids(replies)
        return replies

    def deliver(self, requests: Sequence[Request], *, clients: int = 10) -> list[Reply]:
        """Send until each was answered 2xx, as Stripe does; returns all the replies."""
        replies: list[Reply] = []
        while todo := [request for request in requests if event_id(request) not in self.accepted]:
            replies += self.send(todo, clients=clients)
        return replies

    def ask(self, request: Request) -> int:
        """Send one and return the status."""
        (reply,) = self.send([request], clients=1)
        return reply.answer.status if reply.answer else 0

    def await_ready(self) -> None:
        wait_until(self.is_ready, what="the receiver to be ready", seconds=RECOVERY_SECONDS)

    def is_ready(self) -> bool:
        return self.receiver.get("/readyz").status == 200

    def await_applied(self, *, seconds: float = RECOVERY_SECONDS) -> None:
        """Wait until the ledger has all that was acknowledged and no mailbox holds anything."""
        wait_until(
            lambda: self.receiver.waiting() == 0 and not self.unaccounted(),
            what="all that was acknowledged to be applied",
            seconds=seconds,
        )

    def unaccounted(self) -> set[str]:
        """The ids that were acknowledged and are not in the ledger."""
        return self.accepted - self.ledger().keys()

    def ledger(self) -> dict[str, str]:
        """Outcome by event id."""
        with psycopg.connect(self.database_url) as connection:
            return dict(connection.execute("SELECT event_id, outcome FROM webhook_events").fetchall())

    @contextmanager
    def worker_asleep(self) -> Iterator[None]:
        """Freeze the worker until the block ends."""
        self.worker.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.worker.send(signal.SIGCONT)

    @contextmanager
    def worker_in_a_turn(self) -> Iterator[list[Request]]:
        """Hold the tables until the block ends, with the worker's batch waiting for them; yields what was sent."""
        requests = new_events(20)
        with psycopg.connect(self.database_url) as connection:
            connection.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            self.send(requests)
            wait_until(lambda: self.mailboxes.status().leased > 0, what="the worker to claim")
            yield requests

    def judge(self) -> None:
        """Have the checker judge everything so far: nothing may be lost, doubled, reordered or leaked."""
        problems = self.checker.judge(accepted=self.accepted).problems
        assert problems == (), problems  # no test module, so that pytest would not tell

    def logged(self, event: str) -> list[str]:
        """The worker's log lines of one event name."""
        return [line for line in self.running.worker_says().splitlines() if f'"event": "{event}"' in line]


def accepted_ids(replies: list[Reply]) -> set[str]:
    """The event ids of the replies that were 2xx."""
    return {reply.answer.json["event"] for reply in replies if reply.answer and reply.answer.status == 200}


def assert_unavailable(answer: HttpAnswer, code: str = "mailbox_unavailable") -> None:
    """The answer that makes Stripe try again."""
    assert answer.error == (503, code)
    assert answer.headers["retry-after"] == "5"
