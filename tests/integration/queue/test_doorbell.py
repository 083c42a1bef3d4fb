"""The ring as Celery's own consumer gets it, and what it costs when the broker is away."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis
from kombu.connection import Connection

from cogento.queue.doorbell import DRAIN_TASK, QUEUE, Doorbell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.message import Message

    from tests.integration.queue.conftest import OwnServer

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def hang() -> Iterator[Callable[..., Doorbell]]:
    """Hang up a doorbell for the length of the test."""
    bells: list[Doorbell] = []

    def hang(url: str, **options: Any) -> Doorbell:
        bells.append(Doorbell(url, **options))
        return bells[-1]

    yield hang
    for bell in bells:
        bell.close()


@pytest.fixture
def bell(redis_url: str, hang: Callable[..., Doorbell]) -> Doorbell:
    return hang(redis_url)


def received(redis_url: str) -> Message:
    connection = Connection(redis_url)  # type: ignore[no-untyped-call]
    with connection, connection.SimpleQueue(QUEUE) as queue:  # type: ignore[no-untyped-call]
        message: Message = queue.get(timeout=5)
        message.ack()  # type: ignore[no-untyped-call]
        return message


def test_a_ring_is_one_json_message_to_the_drain_task(bell: Doorbell, redis_url: str) -> None:
    bell.ring()
    message = received(redis_url)
    assert message.headers["task"] == DRAIN_TASK
    assert message.content_type == "application/json"
    assert message.payload[:2] == [[], {}]
    assert (bell.rings, bell.failures) == (1, 0)


def test_a_ring_after_a_flush_still_arrives(bell: Doorbell, redis_url: str) -> None:
    bell.ring()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    bell.ring()
    assert received(redis_url).headers["task"] == DRAIN_TASK


def test_a_ring_that_fails_is_counted_and_forgotten_at_once(hang: Callable[..., Doorbell]) -> None:
    bell = hang(NOWHERE)
    began = time.monotonic()
    bell.ring()
    assert time.monotonic() - began < 1
    assert (bell.rings, bell.failures) == (0, 1)


def test_a_frozen_broker_costs_time_once_and_not_each_ring(
    own_server: OwnServer, hang: Callable[..., Doorbell]
) -> None:
    bell = hang(own_server.url)
    bell.ring()
    own_server.freeze()
    began = time.monotonic()
    bell.ring()
    bell.ring()
    assert time.monotonic() - began < 1.5
    assert (bell.rings, bell.failures) == (1, 2)
    own_server.thaw()


def test_it_rings_again_when_the_broker_is_back(own_server: OwnServer, hang: Callable[..., Doorbell]) -> None:
    now = [0.0]
    bell = hang(own_server.url, monotonic=lambda: now[0])
    own_server.stop()
    bell.ring()
    own_server.start()
    now[0] += 1
    bell.ring()
    assert (bell.rings, bell.failures) == (1, 1)


def test_threads_ring_together(redis_url: str, hang: Callable[..., Doorbell]) -> None:
    bell = hang(redis_url)
    with ThreadPoolExecutor(30) as ringers:
        for _ in range(30):
            ringers.submit(bell.ring)
    assert (bell.rings, bell.failures) == (30, 0)
