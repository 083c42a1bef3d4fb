"""The wake-up as Celery's own consumer gets it, and what it costs when the broker is away."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis
from kombu.connection import Connection

from cogento.queue.keys import CELERY_PREFIX, WAKEUP_QUEUE
from cogento.queue.wakeup import DRAIN_TASK, TIMEOUT_SECONDS, WorkerWakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.message import Message

    from tests.integration.queue.conftest import OwnServer

NOWHERE = "redis://127.0.0.1:1/0"
BUSY_SECONDS = 1
"""What a machine that others use, too, may add."""


@pytest.fixture
def make() -> Iterator[Callable[..., WorkerWakeup]]:
    """Make a wake-up for the length of the test."""
    wakeups: list[WorkerWakeup] = []

    def make(url: str, **options: Any) -> WorkerWakeup:
        wakeups.append(WorkerWakeup(url, **options))
        return wakeups[-1]

    yield make
    for wakeup in wakeups:
        wakeup.close()


@pytest.fixture
def wakeup(redis_url: str, make: Callable[..., WorkerWakeup]) -> WorkerWakeup:
    return make(redis_url)


def received(redis_url: str) -> Message:
    options = {"global_keyprefix": CELERY_PREFIX}
    connection = Connection(redis_url, transport_options=options)  # type: ignore[no-untyped-call]
    with connection, connection.SimpleQueue(WAKEUP_QUEUE) as queue:  # type: ignore[no-untyped-call]
        message: Message = queue.get(timeout=5)
        message.ack()  # type: ignore[no-untyped-call]
        return message


def test_a_wakeup_is_one_json_message_to_the_drain_task(wakeup: WorkerWakeup, redis_url: str) -> None:
    wakeup.send()
    message = received(redis_url)
    assert message.headers["task"] == DRAIN_TASK
    assert message.content_type == "application/json"
    assert message.payload[:2] == [[], {}]
    assert (wakeup.sent, wakeup.failures) == (1, 0)


def test_a_wakeup_after_a_flush_still_arrives(wakeup: WorkerWakeup, redis_url: str) -> None:
    wakeup.send()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    wakeup.send()
    assert received(redis_url).headers["task"] == DRAIN_TASK


def test_a_wakeup_that_fails_is_counted_and_forgotten_at_once(make: Callable[..., WorkerWakeup]) -> None:
    wakeup = make(NOWHERE)
    began = time.monotonic()
    wakeup.send()
    assert time.monotonic() - began < 2 * TIMEOUT_SECONDS + BUSY_SECONDS
    assert (wakeup.sent, wakeup.failures) == (0, 1)


def test_a_frozen_broker_costs_time_once_and_not_each_wakeup(
    own_server: OwnServer, make: Callable[..., WorkerWakeup]
) -> None:
    wakeup = make(own_server.url)
    wakeup.send()
    own_server.freeze()
    began = time.monotonic()
    wakeup.send()
    wakeup.send()
    assert time.monotonic() - began < 2 * TIMEOUT_SECONDS + BUSY_SECONDS
    assert (wakeup.sent, wakeup.failures) == (1, 2)
    own_server.thaw()


def test_it_is_sent_again_when_the_broker_is_back(
    own_server: OwnServer, make: Callable[..., WorkerWakeup]
) -> None:
    now = [0.0]
    wakeup = make(own_server.url, monotonic=lambda: now[0])
    own_server.stop()
    wakeup.send()
    own_server.start()
    now[0] += 1
    wakeup.send()
    assert (wakeup.sent, wakeup.failures) == (1, 1)


def test_threads_send_together(redis_url: str, make: Callable[..., WorkerWakeup]) -> None:
    wakeup = make(redis_url)
    with ThreadPoolExecutor(30) as senders:
        for _ in range(30):
            senders.submit(wakeup.send)
    assert (wakeup.sent, wakeup.failures) == (30, 0)
