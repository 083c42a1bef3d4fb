"""A Redis that another Celery application uses, too: all of that application's data stay unchanged, byte for byte."""

from __future__ import annotations

import json
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest
import redis

from cogento.local.process import Command, Process
from cogento.queue.keys import WAKEUP_QUEUE, wakeups_key
from cogento.queue.wakeup import WorkerWakeup
from tests.support.builders import customer, event_body
from tests.support.other_application import GATE, wait_for_gate
from tests.support.running_console import RunningConsole
from tests.support.running_receiver import RunningReceiver
from tests.support.running_worker import ROOT
from tests.support.servers import wait_until
from tests.support.wire import Request
from worker.celery_app import make_celery, purge_wakeups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

AN_HOUR_AGO_AND_MORE = 1_600_000_000.0
TAKEN = [{"body": "W10=", "headers": {"task": "theirs"}, "properties": {"delivery_tag": "1"}}, "", "celery"]
OURS = (b"{cogento:", b"cogento:")
PAGE = ROOT / "docs" / "shared-redis.md"
NOWHERE = "redis://127.0.0.1:1/0"
FOREIGN_ENVIRONMENT = {
    "CELERY_BROKER_URL": NOWHERE,
    "CELERY_BROKER_READ_URL": NOWHERE,
    "CELERY_BROKER_WRITE_URL": NOWHERE,
    "CELERY_RESULT_BACKEND": "nowhere://",
    "CELERY_CONFIG_MODULE": "nowhere",
    "CELERY_LOADER": "nowhere",
    "CELERY_WORKER_QUEUES": "celery",
    "CELERY_WORKER_EXCLUDE_QUEUES": WAKEUP_QUEUE,
    "CELERY_WORKER_PURGE": "true",
    "CELERY_WORKER_CONCURRENCY": "many",
    "CELERY_WORKER_INCLUDE": "nowhere",
    "BROKER_URL": "amqp://nowhere//",
    "RESULT_BACKEND": "nowhere://",
    "CONFIG_MODULE": "nowhere",
    "LOADER": "nowhere",
    "DJANGO_SETTINGS_MODULE": "nowhere",
}
"""What another Celery application's processes are told, and what Celery's command takes from the environment."""


@pytest.fixture
def shared(redis_url: str) -> Iterator[redis.Redis]:
    """The server, with what a Celery application of other people leaves on it while it works."""
    with redis.Redis.from_url(redis_url) as client:
        client.hset("unacked", "1", json.dumps(TAKEN))
        client.zadd("unacked_index", {"1": AN_HOUR_AGO_AND_MORE})
        client.set("unacked_mutex", "theirs")
        client.rpush("celery", "their message")
        client.rpush("celery\x06\x163", "their urgent message")
        client.sadd("_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
        client.sadd("_kombu.binding.celery.pidbox", "\x06\x16\x06\x16celery@their.celery.pidbox")
        client.sadd("_kombu.binding_permanent.celery", "celery\x06\x16\x06\x16celery")
        client.zadd("_kombu.binding_deadlines", {"theirs": 1})
        client.set("celery-task-meta-1", "their result")
        yield client


def theirs(client: redis.Redis) -> dict[bytes, bytes | None]:
    """Everything that is under none of our names, by key."""
    keys = [key for key in client.scan_iter() if not key.startswith(OURS)]
    return {key: client.dump(key) for key in keys}


def test_t17_a_worker_that_starts_works_and_stops_leaves_all_that_is_others(
    shared: redis.Redis, post: Post, redis_url: str, start_worker: Callable[[], RunningWorker]
) -> None:
    before = theirs(shared)
    worker = start_worker()
    worker.await_start()
    wakeup = WorkerWakeup(redis_url)
    event = post.put("customer.created", customer("cus_1"))
    wakeup.send()
    wait_until(lambda: event in post.ledger(), what="the event to be applied")
    wait_until(lambda: not shared.llen(wakeups_key()), what="the wake-up to be taken")
    worker.send(signal.SIGTERM)
    worker.await_death()
    wakeup.close()
    assert wakeup.sent == 1
    assert theirs(shared) == before


def test_t17_a_consumer_gives_no_message_of_others_back_to_its_queue(
    shared: redis.Redis, redis_url: str
) -> None:
    shared.delete("unacked_mutex")
    before = theirs(shared)
    with make_celery(redis_url).connection_for_read() as connection:
        connection.default_channel.qos.restore_visible(interval=1)
    assert theirs(shared) == before


def test_t17_only_our_own_wakeups_are_forgotten(shared: redis.Redis, redis_url: str) -> None:
    before = theirs(shared)
    wakeup = WorkerWakeup(redis_url)
    wakeup.send()
    wakeup.close()
    shared.hset("cogento:unacked", "1", "a wake-up of a worker that died")
    purge_wakeups(make_celery(redis_url))
    assert not shared.exists(wakeups_key(), "cogento:unacked", "cogento:unacked_index")
    assert theirs(shared) == before


@pytest.fixture
def other_worker(redis_url: str, tmp_path: Path) -> Iterator[Process]:
    """A worker of another Celery application on the same server."""
    wait_for_gate.app.conf.update(broker_url=redis_url, result_backend=redis_url)
    argv = (
        sys.executable,
        *("-m", "celery", "--app", "tests.support.other_application", "worker"),
        *("--pool=threads", "--concurrency=1"),
    )
    environment = {"OTHER_REDIS_URL": redis_url}
    process = Process(Command(argv=argv, log=tmp_path / "other.log", environment=environment, folder=ROOT))
    yield process
    process.kill()
    wait_for_gate.app.close()


@pytest.fixture
def limited_url(redis_url: str) -> Iterator[str]:
    """The server as a user sees it who has the rights that docs/shared-redis.md gives, and no others."""
    (rule,) = re.findall(r"`ACL SETUSER cogento (.+)`", PAGE.read_text())
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "cogento", *rule.split())
        client.acl_log_reset()
        yield redis_url.replace("redis://", "redis://cogento:password@")
        client.acl_deluser("cogento")


@pytest.fixture
def receiver(limited_url: str, redis_url: str, tmp_path: Path) -> Iterator[RunningReceiver]:
    log = tmp_path / "receiver.log"
    running = RunningReceiver(limited_url, log, seen_at=redis_url, **FOREIGN_ENVIRONMENT)
    yield running
    running.stop()


@pytest.fixture
def console(limited_url: str, database_url: str, tmp_path: Path) -> Iterator[RunningConsole]:
    log = tmp_path / "console.log"
    running = RunningConsole(database_url, limited_url, log, ("--local",), **FOREIGN_ENVIRONMENT)
    yield running
    running.stop()


@pytest.mark.usefixtures("other_worker")
def test_t17_another_application_and_everything_of_ours_work_on_one_redis_and_neither_meets_the_other(
    post: Post,
    receiver: RunningReceiver,
    console: RunningConsole,
    limited_url: str,
    start_worker: Callable[..., RunningWorker],
) -> None:
    shared = receiver.redis
    results = [f"celery-task-meta-{wait_for_gate.delay(number).id}" for number in range(4)]
    wait_until(lambda: shared.exists("unacked", "their runs of 0") == 2, what="theirs to run", seconds=40)
    shared.set("celery-task-meta-1", "an earlier result")
    before = theirs(shared)

    # Ours, from the first start over a crash to the end, with the environment of theirs and rights on our keys alone.
    killed = start_worker(REDIS_URL=limited_url, **FOREIGN_ENVIRONMENT)
    receiver.await_answer()
    for number in range(3):
        receiver.keep(Request(event_body("customer.created", customer(f"cus_{number}"), id_=f"evt_{number}")))
    wait_until(lambda: len(post.ledger()) == 3, what="the events to be applied")
    console.await_answer()
    assert console.get("/console").status == 200
    killed.process.kill()
    second = start_worker(REDIS_URL=limited_url, **FOREIGN_ENVIRONMENT)
    receiver.keep(Request(event_body("customer.created", customer("cus_3"), id_="evt_3")))
    wait_until(lambda: len(post.ledger()) == 4, what="another event to be applied")
    wait_until(lambda: not shared.llen(wakeups_key()), what="the wake-ups to be taken")
    second.send(signal.SIGTERM)
    assert second.await_death() == 0

    assert theirs(shared) == before
    assert not receiver.lines("wakeup_failed")
    assert not {entry["object"] for entry in shared.acl_log() if entry["username"] == "cogento"}
    shared.set(GATE, "open")
    wait_until(lambda: shared.exists(*results) == 4, what="their tasks to be done")
    assert [json.loads(shared.get(done) or "")["result"] for done in results] == [0, 1, 2, 3]
    assert shared.mget([f"their runs of {number}" for number in range(4)]) == [b"1"] * 4
