"""A Redis that another Celery application uses, too: whatever is that one's stays as it is, byte for byte."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
import redis

from cogento.queue.wakeup import QUEUE, WorkerWakeup
from tests.support.builders import customer
from tests.support.servers import wait_until
from worker.celery_app import make_celery, purge_wakeups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

AN_HOUR_AGO_AND_MORE = 1_600_000_000.0
TAKEN = [{"body": "W10=", "headers": {"task": "theirs"}, "properties": {"delivery_tag": "1"}}, "", "celery"]
OURS = (b"{cogento:", b"cogento", b"_kombu.binding.cogento", b"_kombu.binding_permanent.cogento")


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
    wait_until(lambda: not shared.llen(QUEUE), what="the wake-up to be taken")
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


def test_t17_only_our_own_rings_are_forgotten(shared: redis.Redis, redis_url: str) -> None:
    before = theirs(shared)
    wakeup = WorkerWakeup(redis_url)
    wakeup.send()
    wakeup.close()
    shared.hset("cogento.unacked", "1", "a wake-up of a worker that died")
    purge_wakeups(make_celery(redis_url))
    assert not shared.exists(QUEUE, "cogento.unacked", "cogento.unacked_index")
    assert theirs(shared) == before
