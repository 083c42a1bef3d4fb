"""The server loses what a 2xx promises while the receiver runs, at every level: F63. The receiver stops answering 2xx, and says why."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.support import servers
from tests.support.redis_pipeline import accepted_ids, assert_unavailable, event_id, new_event, new_events
from tests.support.running_receiver import RunningReceiver
from tests.support.servers import wait_until
from tests.support.storm import storm
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cogento.local.valkey import Valkey

    Valkeys = servers.RunningServer[Valkey]
    Start = Callable[[str], RunningReceiver]

LEVELS = ("", "memory", "redis", "redis_fsync")
NOTICED_SECONDS = 5
MOST_LINES = 5  # one in ten seconds, however many requests
FULL_BYTES = "4mb"


@pytest.fixture
def own_valkey(valkey_server: Valkeys) -> Iterator[Valkeys]:
    """A server for this test alone; asks for `valkey_server` to skip where there is none."""
    assert valkey_server
    home = servers.make_home()
    server = servers.start_valkey(home)
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def client(own_valkey: Valkeys) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_valkey.url) as client:
        yield client


@pytest.fixture
def start(own_valkey: Valkeys, tmp_path: Path) -> Iterator[Start]:
    """Start a receiver that demands a level, or none."""
    started: list[RunningReceiver] = []

    def start(level: str) -> RunningReceiver:
        started.append(RunningReceiver(own_valkey.url, tmp_path / "receiver.log", ACK_DURABILITY=level))
        started[-1].await_answer()
        return started[-1]

    yield start
    for receiver in started:
        receiver.end()


@dataclass(frozen=True)
class Promise:
    """A receiver that demands a level, or none, and a server of its own."""

    receiver: RunningReceiver
    server: Valkeys


@pytest.fixture(scope="module", params=LEVELS)
def promise(
    request: pytest.FixtureRequest, valkey_server: Valkeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Promise]:
    """One for each level."""
    assert valkey_server
    home = servers.make_home()
    server = servers.start_valkey(home)
    log = tmp_path_factory.mktemp("promise") / "receiver.log"
    receiver = RunningReceiver(server.url, log, ACK_DURABILITY=request.param)
    receiver.await_answer()
    yield Promise(receiver, server)
    receiver.end()
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


def with_settings(server: Valkeys, settings: Mapping[str, str]) -> Valkeys:
    """Start the same server again, after `kill`, with other settings."""
    return servers.RunningServer(replace(server.description, settings={**servers.QUICK_VALKEY, **settings}))


def large_events(count: int) -> list[Request]:
    """Events of 8 KB that do not compress much."""
    return [_padded(request) for request in new_events(count, customers=count)]


def _padded(request: Request) -> Request:
    event: dict[str, Any] = json.loads(request.body)
    event["data"]["object"]["metadata"] = {
        str(number): f"{hash((event['id'], number)):x}" * 20 for number in range(25)
    }
    return Request(json.dumps(event).encode())


def test_a1_a_server_that_is_told_to_evict_loses_nothing_that_was_acknowledged_and_a_line_says_so(
    promise: Promise,
) -> None:
    receiver, client = promise.receiver, promise.receiver.redis
    client.flushall()
    first = new_event()
    assert receiver.ask(first).status == 200
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", FULL_BYTES)
    replies = storm(receiver, large_events(700), clients=10)
    wait_until(
        lambda: receiver.get("/readyz").status == 503, what="readiness to tell", seconds=NOTICED_SECONDS
    )
    accepted = {event_id(first), *accepted_ids(replies)}
    stored = {key.decode().partition(":event:")[2] for key in client.scan_iter("{cogento:0}:event:*")}
    assert stored == accepted == {event_id(first)}
    assert client.info("stats")["evicted_keys"] == 0
    lines = receiver.lines("mailbox_failed")
    assert 1 <= len(lines) < MOST_LINES
    assert all("allkeys-lru" in line for line in lines)
    assert_unavailable(receiver.ask(new_event()))
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "0")
    wait_until(lambda: receiver.ask(new_event()).status == 200, what="the receiver to accept", seconds=10)
    assert receiver.get("/readyz").status == 200


def test_f63_a_server_that_was_killed_and_evicts_when_it_is_back_is_never_answered_for(
    promise: Promise,
) -> None:
    receiver, server = promise.receiver, promise.server
    assert receiver.ask(new_event()).status == 200
    server.kill()
    back = with_settings(server, {"maxmemory-policy": "allkeys-lru"})
    statuses = {receiver.ask(new_event()).status for _ in range(20)}
    ready = receiver.get("/readyz").status
    back.kill()
    server.start()
    assert (statuses, ready) == ({503}, 503)


@pytest.mark.parametrize(
    ("level", "setting"),
    [
        ("redis", ("appendonly", "no")),
        ("redis", ("appendfsync", "no")),
        ("redis_fsync", ("appendonly", "no")),
        ("redis_fsync", ("appendfsync", "everysec")),
    ],
)
def test_f63_a_level_that_is_demanded_and_lost_is_given_to_nobody_within_five_seconds(
    level: str, setting: tuple[str, str], client: redis.Redis, start: Start
) -> None:
    receiver = start(level)
    assert receiver.ask(new_event()).status == 200
    client.config_set(*setting)
    wait_until(lambda: receiver.ask(new_event()).status == 503, what="the refusal", seconds=NOTICED_SECONDS)
    assert receiver.get("/readyz").status == 503
    (line,) = receiver.lines("mailbox_failed")
    assert f"ACK_DURABILITY={level} needs" in line


def test_t23_a_server_without_a_disk_is_named_so_and_warned_of(client: redis.Redis, start: Start) -> None:
    client.config_set("appendonly", "no")
    receiver = start("")
    ready = receiver.get("/readyz").json
    assert (ready["status"], ready["ack_durability"]) == ("ready", "memory")
    assert "in memory only" in ready["warning"]
    (line,) = receiver.lines("ack_durability_taken")
    told = json.loads(line)
    assert (told["ack"], told["level"]) == ("memory", "warning")
    assert "in memory only" in told["warning"]
    assert receiver.ask(new_event()).status == 200


@pytest.mark.parametrize(
    ("settings", "level"),
    [({"appendfsync": "everysec"}, "redis"), ({"appendfsync": "always"}, "redis_fsync")],
    ids=str,
)
def test_t23_without_a_demand_what_the_server_gives_is_named(
    settings: dict[str, str], level: str, client: redis.Redis, start: Start
) -> None:
    client.config_set(*next(iter(settings.items())))
    receiver = start("")
    assert receiver.get("/readyz").json == {"status": "ready", "ack_durability": level}


def test_t23_a_level_that_changes_while_nothing_is_demanded_is_named_anew(
    client: redis.Redis, start: Start
) -> None:
    receiver = start("")
    assert receiver.ask(new_event()).status == 200
    client.config_set("appendonly", "no")
    assert receiver.get("/readyz").json["ack_durability"] == "memory"
    wait_until(
        lambda: receiver.ask(new_event()).status == 200 and bool(receiver.lines("ack_durability_changed")),
        what="it to go on, and to say so",
        seconds=NOTICED_SECONDS,
    )
