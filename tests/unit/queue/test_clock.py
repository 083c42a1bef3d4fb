"""Redis's time counts for every process, whatever the machine's own clock says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.queue import clock
from cogento.queue.clock import RedisClock
from tests.support.fake_redis import FakeRedis, client_on

if TYPE_CHECKING:
    from cogento.queue.redis_server import RedisServer


@pytest.fixture
def server() -> RedisServer:
    client = client_on(FakeRedis())
    runtime.run(
        client.ask("PING")
    )  # connected: a reading over a connection that is made for it is not believed for long
    return client


def now_ms(told: RedisClock) -> int:
    return runtime.run(told.now_ms())


def test_it_tells_the_servers_time(server: RedisServer) -> None:
    assert now_ms(RedisClock(server)) == pytest.approx(time.time() * 1000, abs=1_000)


def test_a_jump_of_the_local_clock_changes_nothing(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = RedisClock(server)
    before = now_ms(told)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert now_ms(told) - before < 1_000


def test_between_readings_it_counts_by_itself(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    told = RedisClock(server)
    before = now_ms(told)
    monotonic = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: monotonic + 10)
    assert now_ms(told) - before == pytest.approx(10_000, abs=1_000)


def test_it_asks_again_now_and_then(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    told = RedisClock(server)
    before = now_ms(told)
    monotonic = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: monotonic + clock.RESYNCHRONISE_SECONDS + 1)
    assert now_ms(told) - before < 1_000


def test_it_asks_again_when_the_server_may_be_another(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = RedisClock(server)
    before = now_ms(told)
    monotonic = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: monotonic + 10)
    server.connection_epoch += 1
    assert now_ms(told) - before < 1_000
