"""A deployment of receivers and workers alone: everything that is measured is on the receiver's /metrics."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from cogento.local.ports import LOCALHOST
from cogento.metrics.declarations import READ_AT
from tests.support.builders import customer, event_body
from tests.support.metric_names import DECLARED, RECEIVERS
from tests.support.proxy import Proxy
from tests.support.running_console import RunningConsole
from tests.support.running_receiver import RunningReceiver
from tests.support.servers import wait_until
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.running_worker import RunningWorker

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


@pytest.fixture
def wire(redis_url: str) -> Iterator[Proxy]:
    """The wire between the receiver and its Redis; workers have another."""
    with Proxy(redis_url) as between:
        yield between


@pytest.fixture
def receiver(wire: Proxy, redis_url: str, tmp_path: Path) -> Iterator[RunningReceiver]:
    """A receiver of two processes."""
    log = tmp_path / "receiver.log"
    receiver = RunningReceiver(
        wire.url,
        log,
        seen_at=redis_url,
        WEB_CONCURRENCY="2",
    )
    receiver.await_answer()
    yield receiver
    receiver.kill()
    receiver.stop()


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
    """Make what workers told Redis a minute older."""
    redis: Any = receiver.redis
    redis.set(f"{TAG}:tables", older(redis.get(f"{TAG}:tables")), keepttl=True)
    for slot, noted in redis.hgetall(f"{TAG}:workers").items():
        redis.hset(f"{TAG}:workers", slot, older(noted))


def older(told: bytes) -> bytes:
    """Change the ms that it begins with."""
    ms, _, rest = told.partition(b" ")
    return b"%d %b" % (int(ms) - 61_000, rest)


def test_it_is_all_on_the_receiver_s_page_and_as_on_the_console_s(
    receiver: RunningReceiver,
    start_worker: Callable[..., RunningWorker],
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    start_worker()
    settle_one_event(receiver)
    shown = {name.removesuffix("_count") for name in names(receiver)}
    assert DECLARED.keys() - shown == LEFT_OUT
    assert receiver.metric("cogento_workers{") == 1
    assert receiver.metric('cogento_up{dependency="postgres"}') == 1
    assert receiver.metric('cogento_webhook_requests_total{outcome="queued"}') == 1
    console = RunningConsole(database_url, redis_url, tmp_path / "console.log")
    try:
        console.await_answer()
        wait_until(lambda: APPLIED in series(console), what="the console to look", seconds=20)
        own = tuple(RECEIVERS)
        assert {one for one in series(receiver) if not one.startswith(own)} == series(console)
    finally:
        console.stop()


def test_each_scrape_of_two_processes_is_complete_and_counts_nothing_twice(
    receiver: RunningReceiver, start_worker: Callable[..., RunningWorker]
) -> None:
    start_worker()
    settle_one_event(receiver)
    for _ in range(20):
        shown = lines(receiver)
        assert len({line.rpartition(" ")[0] for line in shown}) == len(shown)
        assert 'cogento_webhook_requests_total{outcome="queued"} 1.0' in shown
        assert {f"{APPLIED} 1.0", "cogento_queue_received_events_total 1.0"} <= set(shown)


def test_figures_of_workers_that_died_are_gone_after_a_minute_and_back_with_the_next(
    receiver: RunningReceiver, start_worker: Callable[..., RunningWorker]
) -> None:
    worker = start_worker()
    wait_until(lambda: receiver.metric(READ_AT) > 0, what="figures to be kept", seconds=20)
    wait_until(lambda: receiver.metric("cogento_workers{") == 1, what="a heartbeat", seconds=20)
    worker.process.kill()
    let_a_minute_pass(receiver)
    shown = names(receiver)
    assert not OF_TABLES & shown
    assert "cogento_workers" not in shown
    assert 'cogento_up{dependency="postgres"}' not in series(receiver)
    assert {READ_AT, "cogento_queue_events", "cogento_worker_last_heartbeat_timestamp_seconds"} <= shown
    start_worker()
    wait_until(
        lambda: OF_TABLES - {"cogento_events_processed_total"} <= names(receiver),
        what="new figures",
        seconds=20,
    )
    wait_until(lambda: receiver.metric("cogento_workers{") == 1, what="a heartbeat", seconds=20)


def test_a_postgres_that_is_away_is_shown_within_seconds(
    receiver: RunningReceiver, start_worker: Callable[..., RunningWorker], database_url: str
) -> None:
    up = 'cogento_up{dependency="postgres"}'
    with Proxy(database_url) as to_postgres:
        start_worker(DATABASE_URL=to_postgres.url)
        wait_until(lambda: receiver.metric(up) == 1, what="Postgres to be up", seconds=20)
        to_postgres.refuse()
        to_postgres.reset()
        wait_until(lambda: f"{up} 0.0" in lines(receiver), what="Postgres to be away", seconds=30)
        assert not OF_TABLES & names(receiver)
        to_postgres.heal()
        wait_until(lambda: receiver.metric(up) == 1, what="Postgres to be back", seconds=30)


def test_a_redis_that_is_away_leaves_the_receiver_s_own_figures(
    receiver: RunningReceiver, wire: Proxy
) -> None:
    body = event_body("customer.created", customer("cus_1"), id_="evt_1")
    assert receiver.ask(Request(body)).status == 200
    wire.refuse()
    wire.reset()
    shown = lines(receiver)
    assert 'cogento_up{dependency="redis"} 0.0' in shown
    assert 'cogento_webhook_requests_total{outcome="queued"} 1.0' in shown
    assert not {line for line in shown if line.startswith(("cogento_queue", "cogento_workers"))}
    wire.heal()
    wait_until(
        lambda: receiver.metric('cogento_up{dependency="redis"}') == 1, what="Redis to be back", seconds=20
    )


def test_a_redis_that_does_not_answer_delays_a_scrape_for_two_seconds_and_no_probe(
    receiver: RunningReceiver, wire: Proxy
) -> None:
    assert receiver.metric('cogento_up{dependency="redis"}') == 1
    wire.black_hole()
    begun = time.monotonic()
    with receiver.connect() as scraping:
        scraping.send(f"GET /metrics HTTP/1.1\r\nHost: {LOCALHOST}\r\n\r\n".encode())
        assert receiver.get("/healthz").status == 200
        assert receiver.get("/readyz").status == 503
        assert time.monotonic() - begun < 2
        assert b'cogento_up{dependency="redis"} 0.0' in scraping.ask(b"").body
    assert time.monotonic() - begun < 5
