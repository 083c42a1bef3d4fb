"""F15: the power fails, and only what was synced is on the disk. What a 2xx promised then is still there."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cogento.queue.checks import has_true_waitaof
from tests.support import servers
from tests.support.builders import SECRET
from tests.support.checker import Checker
from tests.support.post import Post
from tests.support.redis_disk import Disk
from tests.support.redis_pipeline import accepted_ids, assert_unavailable, event_id, new_event, new_events
from tests.support.running_receiver import RunningReceiver
from tests.support.servers import wait_until
from tests.support.storm import storm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import redis

    from cogento.local.valkey import Valkey
    from tests.support.wire import Request

    Valkeys = servers.RunningServer[Valkey]
    Start = Callable[[str, str], tuple[Valkeys, RunningReceiver]]

EVENTS = 400
QUEUED = 'cogento_webhook_requests_total{outcome="queued"}'


@pytest.fixture
def start(valkey_server: Valkeys) -> Iterator[Start]:
    """Start a Valkey with an `appendfsync`, and a receiver on it with an ack level."""
    home = servers.make_home()
    started: list[tuple[Valkeys, RunningReceiver]] = []

    def start(appendfsync: str, ack: str) -> tuple[Valkeys, RunningReceiver]:
        valkey = servers.start_valkey(home, settings={**servers.QUICK_VALKEY, "appendfsync": appendfsync})
        receiver = RunningReceiver(valkey.url, home / "receiver.log", ACK_DURABILITY=ack)
        started.append((valkey, receiver))
        receiver.await_answer()
        assert receiver.ask(new_event()).status == 200
        return started[-1]

    yield start
    for valkey, receiver in started:
        receiver.end()
        valkey.stop()
    shutil.rmtree(home, ignore_errors=True)


def stored(receiver: RunningReceiver, requests: Sequence[Request]) -> set[str]:
    """Which of these events wait."""
    return {id_ for id_ in map(event_id, requests) if receiver.stored_body(id_) is not None}


def judge(valkey: Valkeys, database_url: str, accepted: set[str]) -> None:
    """Let the tables have what waits, and the checker judge what is there of what was acknowledged."""
    checker = Checker(database_url, valkey.url, logs=valkey.description.folder.parent, secrets=[SECRET])
    checker.install()
    with closing(Post.open(valkey.url, database_url)) as post:
        post.drain()
    assert checker.judge(accepted=accepted).problems == ()


def test_f15_redis_fsync_loses_nothing_that_was_acknowledged(start: Start, database_url: str) -> None:
    valkey, receiver = start("always", "redis_fsync")
    disk, requests = Disk(valkey), new_events(EVENTS)
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(storm, receiver, requests, clients=16)
        wait_until(lambda: receiver.metric(QUEUED) > 50, what="some to be acknowledged")
        disk.cut_power(torn_bytes=100)
        acknowledged = accepted_ids(sending.result())
    valkey.start()
    assert 50 <= len(acknowledged) < EVENTS
    assert acknowledged <= stored(receiver, requests)
    judge(valkey, database_url, acknowledged)


def test_f15_redis_may_lose_its_last_second_and_exactly_that_comes_anew(
    start: Start, database_url: str
) -> None:
    valkey, receiver = start("everysec", "redis")
    disk, early, late = Disk(valkey), new_events(100), new_events(100)
    storm(receiver, early, clients=8)
    wait_until(disk.has_everything, what="the early events to be synced")
    disk.stall()
    acknowledged = accepted_ids(storm(receiver, late, clients=8))
    disk.cut_power()
    valkey.start()
    assert len(acknowledged) == len(late)
    assert stored(receiver, early) == set(map(event_id, early))
    assert stored(receiver, late) == set()
    wait_until(lambda: receiver.get("/readyz").status == 200, what="the receiver to be ready")
    again = storm(receiver, [*early, *late], clients=8)
    assert {
        event_id(r.request) for r in again if r.answer and r.answer.outcome == (200, "queued")
    } == acknowledged
    judge(valkey, database_url, accepted_ids(again))


def test_f15_a_disk_that_does_not_sync_is_a_503(start: Start) -> None:
    valkey, receiver = start("always", "redis_fsync")
    disk = Disk(valkey)
    disk.stall()
    assert_unavailable(receiver.ask(new_event()))
    disk.cut_power()
    valkey.start()


def test_f15_waitaof_is_believed_only_of_a_server_that_waits_for_its_disk(start: Start) -> None:
    valkey, receiver = start("everysec", "redis")
    info: Any = receiver.redis.info()
    disk = Disk(valkey)
    disk.stall()
    receiver.redis.set("written", 1)
    files, _ = wait_for_file(receiver.redis)
    assert not (files and has_true_waitaof(info))
    disk.cut_power()
    valkey.start()


def wait_for_file(client: redis.Redis) -> list[int]:
    """Ask for the write of this connection to be synced, for two seconds."""
    answer: list[int] = client.execute_command("WAITAOF", 1, 0, 2000)  # type: ignore[no-untyped-call]
    return answer
