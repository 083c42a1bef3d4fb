"""Redis in trouble: 503 with Retry-After in about a second, nobody waits behind it, and it heals by itself.

The ids are those of the fault matrix.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.integration.receiver.running import is_rewriting
from tests.integration.receiver.storm import percentile, storm
from tests.integration.receiver.wire import Request, event_request
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.receiver.conftest import Start, Valkeys
    from tests.integration.receiver.running import RunningReceiver
    from tests.integration.receiver.wire import HttpAnswer
    from tests.proxy import Proxy

SOON_SECONDS = 2.0  # two time-outs of 0.6 s, and what a busy machine adds
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def running(proxy: Proxy, start: Start) -> RunningReceiver:
    return start(proxy.url, ACK_DURABILITY="redis_fsync")


@pytest.fixture
def receiver(running: RunningReceiver, proxy: Proxy) -> Iterator[RunningReceiver]:
    """The module's receiver, healthy before and after each test."""
    _await_ready(running)
    yield running
    proxy.heal()


@pytest.fixture
def admin(own_valkey: Valkeys) -> Iterator[redis.Redis]:
    """A connection to the server itself."""
    with redis.Redis.from_url(own_valkey.url) as client:
        yield client


def _await_ready(receiver: RunningReceiver) -> None:
    wait_until(lambda: receiver.get("/readyz").status == 200, what="the receiver to be ready", seconds=10)


def new_event() -> Request:
    return event_request(f"evt_{next(numbers)}")


def assert_unavailable(answer: HttpAnswer, code: str = "mailbox_unavailable") -> None:
    assert answer.error == (503, code)
    assert answer.headers["retry-after"] == "5"


def test_f13_a_restart_is_a_gap_of_503s(receiver: RunningReceiver, own_valkey: Valkeys) -> None:
    own_valkey.stop()
    assert_unavailable(receiver.ask(new_event()))
    assert receiver.get("/readyz").status == 503
    assert receiver.get("/healthz").status == 200
    own_valkey.start()
    _await_ready(receiver)
    assert receiver.ask(new_event()).outcome == (200, "queued")


def test_f14_nothing_acknowledged_is_lost_when_redis_is_killed(
    receiver: RunningReceiver, own_valkey: Valkeys
) -> None:
    requests = {f"evt_kill_{number}": event_request(f"evt_kill_{number}") for number in range(50)}
    replies = storm(receiver, list(requests.values()), clients=10)
    assert {reply.answer.status for reply in replies if reply.answer} == {200}
    own_valkey.kill()
    own_valkey.start()
    assert {id_: receiver.stored_body(id_) for id_ in requests} == {
        id_: request.body for id_, request in requests.items()
    }


def test_f16_a_redis_that_still_loads_is_not_there_yet(
    receiver: RunningReceiver, own_valkey: Valkeys, admin: redis.Redis
) -> None:
    with admin.pipeline(transaction=False) as pipeline:
        for number in range(2000):  # half a millisecond each to load, see `own_valkey`
            pipeline.set(f"load:{number}", "x" * 100)
        pipeline.execute()
    admin.bgrewriteaof()
    wait_until(lambda: not is_rewriting(admin), what="the append-only file to be rewritten")
    own_valkey.stop()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_ask_while_loading, receiver, admin)
        own_valkey.start()
    admin.delete(*(f"load:{number}" for number in range(2000)))
    assert_unavailable(asked.result())
    _await_ready(receiver)
    assert receiver.ask(new_event()).outcome == (200, "queued")


def _ask_while_loading(receiver: RunningReceiver, admin: redis.Redis) -> HttpAnswer:
    wait_until(lambda: _is_loading(admin), what="the server to load")
    return receiver.ask(new_event())


def _is_loading(admin: redis.Redis) -> bool:
    try:
        admin.ping()
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        return False
    return False


def test_f17_a_flushed_redis_is_filled_again(receiver: RunningReceiver, admin: redis.Redis) -> None:
    request = new_event()
    assert receiver.ask(request).outcome == (200, "queued")
    admin.flushall()
    admin.script_flush()
    assert receiver.ask(request).outcome == (200, "queued")


def test_f18_a_full_redis_accepts_again_when_there_is_room(
    receiver: RunningReceiver, admin: redis.Redis
) -> None:
    used: Any = admin.info("memory")
    admin.config_set("maxmemory", used["used_memory"] // 2)
    full = receiver.ask(new_event())
    ready = receiver.get("/readyz")
    admin.config_set("maxmemory", 0)
    assert_unavailable(full, "mailbox_full")
    assert ready.status == 503
    assert receiver.ask(new_event()).outcome == (200, "queued")


@pytest.mark.parametrize("there_and_back_seconds", [0.3, 0.5, 0.7])
def test_f20_a_slow_redis_is_waited_for_no_longer_than_two_seconds(
    receiver: RunningReceiver, proxy: Proxy, there_and_back_seconds: float
) -> None:
    proxy.delay(there_and_back_seconds / 2)
    replies = storm(receiver, [new_event() for _ in range(40)], clients=40)
    assert {reply.answer.status for reply in replies if reply.answer} <= {200, 503}
    assert max(reply.seconds for reply in replies) < SOON_SECONDS


def test_f21_a_frozen_redis_is_a_503_in_about_a_second_and_holds_up_nothing_else(
    receiver: RunningReceiver, own_valkey: Valkeys
) -> None:
    own_valkey.freeze()
    replies = storm(receiver, [new_event() for _ in range(100)], clients=100)
    begun = time.monotonic()
    health = receiver.get("/healthz")
    health_seconds = time.monotonic() - begun
    ready = receiver.get("/readyz")
    ready_seconds = time.monotonic() - begun - health_seconds
    own_valkey.thaw()
    assert {reply.answer.error for reply in replies if reply.answer} == {(503, "mailbox_unavailable")}
    assert max(reply.seconds for reply in replies) < SOON_SECONDS
    assert (health.status, ready.status) == (200, 503)
    assert health_seconds < 0.2
    assert ready_seconds < 0.5


def test_f22_an_answer_lost_on_the_way_is_no_second_copy(receiver: RunningReceiver, proxy: Proxy) -> None:
    request = new_event()
    waiting = receiver.waiting()
    proxy.cut_on(b"EVALSHA", delivered=True)
    assert_unavailable(receiver.ask(request))
    proxy.heal()
    wait_until(lambda: receiver.waiting() == waiting + 1, what="the event to be stored")
    _await_ready(receiver)
    assert receiver.ask(request).outcome == (200, "duplicate")
    assert receiver.waiting() == waiting + 1


def test_f23_a_replica_is_no_place_for_events(receiver: RunningReceiver, admin: redis.Redis) -> None:
    admin.replicaof("127.0.0.1", 9)
    demoted = receiver.ask(new_event())
    ready = receiver.get("/readyz")
    admin.replicaof("NO", "ONE")
    assert_unavailable(demoted)
    assert ready.status == 503
    assert receiver.ask(new_event()).outcome == (200, "queued")


def test_f24_a_redis_without_a_free_connection_is_a_503(
    receiver: RunningReceiver, admin: redis.Redis, own_valkey: Valkeys
) -> None:
    allowed: Any = admin.config_get("maxclients")
    admin.config_set("maxclients", 1)
    admin.client_kill_filter(_type="normal", skipme=True)
    refused = receiver.ask(new_event())
    admin.config_set("maxclients", int(allowed["maxclients"]))
    assert_unavailable(refused)
    _await_ready(receiver)
    assert receiver.ask(new_event()).outcome == (200, "queued")


def test_f44_a_storm_of_retries_is_answered_in_time(receiver: RunningReceiver) -> None:
    requests = [new_event() for _ in range(2000)]
    replies = storm(receiver, requests, clients=32)
    assert {reply.answer.outcome for reply in replies if reply.answer} == {(200, "queued")}
    assert len(replies) == len(requests)
    assert percentile(replies, 0.99) < 0.5


def test_f45_a_storm_of_one_event_is_one_event(receiver: RunningReceiver) -> None:
    waiting = receiver.waiting()
    replies = storm(receiver, [new_event()] * 2000, clients=50)
    outcomes = [reply.answer.outcome for reply in replies if reply.answer]
    assert outcomes.count((200, "queued")) == 1
    assert outcomes.count((200, "duplicate")) == 1999
    assert receiver.waiting() == waiting + 1
