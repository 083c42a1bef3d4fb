"""Redis's time is everybody's time; the machine's own clock may say what it likes."""

from __future__ import annotations

import time

import fakeredis
import pytest

from cogento.queue import clock
from cogento.queue.clock import RedisClock
from cogento.queue.redis_client import RedisClient


@pytest.fixture
def server() -> RedisClient:
    return RedisClient(fakeredis.FakeRedis())


def test_it_tells_the_servers_time(server: RedisClient) -> None:
    assert RedisClock(server).now_ms() == pytest.approx(time.time() * 1000, abs=1_000)


def test_a_jump_of_the_local_clock_changes_nothing(
    server: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = RedisClock(server)
    before = told.now_ms()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert told.now_ms() - before < 1_000


def test_between_readings_it_counts_by_itself(server: RedisClient, monkeypatch: pytest.MonkeyPatch) -> None:
    told = RedisClock(server)
    before = told.now_ms()
    monotonic = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: monotonic + 10)
    assert told.now_ms() - before == pytest.approx(10_000, abs=1_000)


def test_it_asks_again_now_and_then(server: RedisClient, monkeypatch: pytest.MonkeyPatch) -> None:
    told = RedisClock(server)
    before = told.now_ms()
    monotonic = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: monotonic + clock.RESYNCHRONISE_SECONDS + 1)
    assert told.now_ms() - before < 1_000


def test_it_asks_again_when_the_server_may_be_another(
    server: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = RedisClock(server)
    before = told.now_ms()
    monotonic = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: monotonic + 10)
    server.connection_epoch += 1
    assert told.now_ms() - before < 1_000
