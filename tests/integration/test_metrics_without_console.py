"""A deployment of only receivers and workers: all metrics are on the receiver's /metrics."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import redis

from cogento.local.ports import LOCALHOST
from cogento.metrics.declarations import READ_AT
from tests.support.builders import customer, event_body
from tests.support.metric_names import DECLARED, RECEIVERS
from tests.support.proxy import Proxy
from tests.support.running_console import RunningConsole
from tests.support.running_receiver import RunningReceiver
from tests.support.running_worker import RunningWorker
from tests.support.servers import RunningServer, wait_until
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.local.valkey import Valkey
    from tests.support.databases import Administration

TAG = "{cogento:0}"
APPLIED = 'cogento_events_processed_total{outcome="applied"}'
NEVER_WITHOUT_A_SWEEP = {
    "cogento_reconcile_last_success_timestamp_seconds",
    "cogento_reconcile_watermark_timestamp_seconds",
}
NEVER_WITHOUT_A_DEATH = {"cogento_dead_letters"}
NEVER_WITHOUT_A_LIMIT = {"cogento_redis_memory_ratio"}
LEFT_OUT = NEVER_WITHOUT_A_SWEEP | NEVER_WITHOUT_A_DEATH | NEVER_WITHOUT_A_LIMIT
OF_TABLES = {"cogento_events_processed_total", "cogento_ambiguous_rows", "cogento_build_info"}


@dataclass
class Deployment:
    """A receiver of two processes and a worker, by wires that a test may cut; all tests here look at one."""

    to_redis: Proxy  # the receiver's; workers have another
    to_postgres: Proxy
    receiver: RunningReceiver
    redis_url: str
    database_url: str
    folder: Path
    workers: list[RunningWorker] = field(default_factory=list)

    def start_worker(self) -> None:
        """Start a worker, in place of the one before."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(RunningWorker(self.redis_url, self.to_postgres.url, log))
        self.workers[-1].await_start()


@pytest.fixture(scope="module")
def own_database_url(administration: Administration, migrated_template: str) -> Iterator[str]:
    yield from administration.lend(template=migrated_template)


@pytest.fixture(scope="module")
def whole(
    own_database_url: str, valkey_server: RunningServer[Valkey], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """It, with one event received and applied, and its figures kept, delays and all."""
    folder = tmp_path_factory.mktemp("metrics")
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    with Proxy(valkey_server.url) as to_redis, Proxy(own_database_url) as to_postgres:
        receiver = RunningReceiver(
            to_redis.url, folder / "receiver.log", seen_at=valkey_server.url, WEB_CONCURRENCY="2"
        )
        running = Deployment(to_redis, to_postgres, receiver, valkey_server.url, own_database_url, folder)
        running.start_worker()
        receiver.await_answer()
        settle_one_event(receiver)
        yield running
        for worker in running.workers:
            worker.process.kill()
        receiver.kill()
        receiver.stop()


@pytest.fixture
def running(whole: Deployment) -> Iterator[Deployment]:
    """It, as healthy after the test as before."""
    yield whole
    whole.to_redis.heal()
    whole.to_postgres.heal()
    wait_until(lambda: whole.receiver.metric("cogento_up{") == 2, what="both servers to be back", seconds=30)


@pytest.fixture
def receiver(running: Deployment) -> RunningReceiver:
    return running.receiver


def lines(receiver: RunningReceiver | RunningConsole) -> list[str]:
    answer = receiver.get("/metrics")
    assert answer.status == 200
    return [line for line in answer.body.decode().splitlines() if not line.startswith("#")]


def names(receiver: RunningReceiver | RunningConsole) -> set[str]:
    return {re.split("[{ ]", line)[0] for line in lines(receiver)}


def series(receiver: RunningReceiver | RunningConsole) -> set[str]:
    return {line.rpartition(" ")[0] for line in lines(receiver)}


def settle_one_event(receiver: RunningReceiver) -> None:
    """Have an event received and applied, and its figures kept, delays and all."""
    body = event_body("customer.created", customer("cus_1"), id_="evt_1")
    assert receiver.ask(Request(body)).status == 200
    wait_until(lambda: receiver.metric(APPLIED) == 1, what="the event to be shown as applied", seconds=40)
    wait_until(
        lambda: receiver.metric("cogento_event_queue_delay_seconds_count") == 1,
        what="the worker to tell how long it waited",
        seconds=40,
    )


def let_a_minute_pass(receiver: RunningReceiver) -> None:
    """Make what workers wrote to Redis a minute older."""
    client: Any = receiver.redis
    client.set(f"{TAG}:tables", older(client.get(f"{TAG}:tables")), keepttl=True)
    for slot, noted in client.hgetall(f"{TAG}:workers").items():
        client.hset(f"{TAG}:workers", slot, older(noted))


def older(told: bytes) -> bytes:
    """Change the ms that it begins with."""
    ms, _, rest = told.partition(b" ")
    return b"%d %b" % (int(ms) - 61_000, rest)


def test_it_is_all_on_the_receiver_s_page_and_as_on_the_console_s(
    running: Deployment, receiver: RunningReceiver, tmp_path: Path
) -> None:
    shown = {name.removesuffix("_count") for name in names(receiver)}
    assert DECLARED.keys() - shown == LEFT_OUT
    assert receiver.metric("cogento_workers{") == 1
    assert receiver.metric('cogento_up{dependency="postgres"}') == 1
    assert receiver.metric('cogento_webhook_requests_total{outcome="queued"}') == 1
    console = RunningConsole(running.database_url, running.redis_url, tmp_path / "console.log")
    try:
        console.await_answer()
        wait_until(lambda: APPLIED in series(console), what="the console to look", seconds=20)
        own = tuple(RECEIVERS)
        assert {one for one in series(receiver) if not one.startswith(own)} == series(console)
    finally:
        console.stop()


def test_each_scrape_of_two_processes_is_complete_and_counts_nothing_twice(receiver: RunningReceiver) -> None:
    for _ in range(20):
        shown = lines(receiver)
        assert len({line.rpartition(" ")[0] for line in shown}) == len(shown)
        assert 'cogento_webhook_requests_total{outcome="queued"} 1.0' in shown
        assert {f"{APPLIED} 1.0", "cogento_queue_received_events_total 1.0"} <= set(shown)


def test_figures_of_workers_that_died_are_gone_after_a_minute_and_back_with_the_next(
    running: Deployment, receiver: RunningReceiver
) -> None:
    wait_until(lambda: receiver.metric(READ_AT) > 0, what="figures to be kept", seconds=20)
    wait_until(lambda: receiver.metric("cogento_workers{") == 1, what="a heartbeat", seconds=20)
    running.workers[-1].process.kill()
    let_a_minute_pass(receiver)
    shown = names(receiver)
    assert not OF_TABLES & shown
    assert "cogento_workers" not in shown
    assert 'cogento_up{dependency="postgres"}' not in series(receiver)
    assert {READ_AT, "cogento_queue_events", "cogento_worker_last_heartbeat_timestamp_seconds"} <= shown
    running.start_worker()
    wait_until(lambda: names(receiver) >= OF_TABLES, what="new figures", seconds=20)
    wait_until(lambda: receiver.metric("cogento_workers{") == 1, what="a heartbeat", seconds=20)


def test_a_postgres_that_is_away_is_shown_within_seconds(
    running: Deployment, receiver: RunningReceiver
) -> None:
    up = 'cogento_up{dependency="postgres"}'
    wait_until(lambda: receiver.metric(up) == 1, what="Postgres to be up", seconds=20)
    running.to_postgres.refuse()
    running.to_postgres.reset()
    wait_until(lambda: f"{up} 0.0" in lines(receiver), what="Postgres to be away", seconds=30)
    assert not OF_TABLES & names(receiver)
    running.to_postgres.heal()
    wait_until(lambda: receiver.metric(up) == 1, what="Postgres to be back", seconds=30)


def test_a_redis_that_is_away_leaves_the_receiver_s_own_figures(
    running: Deployment, receiver: RunningReceiver
) -> None:
    running.to_redis.refuse()
    running.to_redis.reset()
    shown = lines(receiver)
    assert 'cogento_up{dependency="redis"} 0.0' in shown
    assert 'cogento_webhook_requests_total{outcome="queued"} 1.0' in shown
    assert not {line for line in shown if line.startswith(("cogento_queue", "cogento_workers"))}
    running.to_redis.heal()
    wait_until(
        lambda: receiver.metric('cogento_up{dependency="redis"}') == 1, what="Redis to be back", seconds=20
    )


def test_a_redis_that_does_not_answer_delays_a_scrape_for_two_seconds_and_no_probe(
    running: Deployment, receiver: RunningReceiver
) -> None:
    assert receiver.metric('cogento_up{dependency="redis"}') == 1
    running.to_redis.black_hole()
    begun = time.monotonic()
    with receiver.connect() as scraping:
        scraping.send(f"GET /metrics HTTP/1.1\r\nHost: {LOCALHOST}\r\n\r\n".encode())
        assert receiver.get("/healthz").status == 200
        assert receiver.get("/readyz").status == 503
        assert time.monotonic() - begun < 2
        assert b'cogento_up{dependency="redis"} 0.0' in scraping.ask(b"").body
    assert time.monotonic() - begun < 5
