from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
import redis

from tests.builders import customer
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.process import Process
    from tests.integration.worker.post import Post

StartWorker = "Callable[[], Process]"
EVENTS = 2000

UNREADABLE_RINGS = {
    "not-json": "not json",
    "null": "null",
    "broken-body": json.dumps(
        {
            "body": "!!!",
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"task": "cogento.drain", "id": "1"},
            "properties": {"body_encoding": "base64", "delivery_tag": "1", "delivery_info": {}},
        }
    ),
}


def put_many(post: Post, *, events: int = EVENTS) -> None:
    for n in range(events):
        post.put("customer.created", customer(f"cus_{n}"), id_=f"evt_{n}")


def rows(post: Post) -> int:
    (row,) = post.rows("SELECT count(*) FROM users")
    return int(row["count"])


def test_mail_becomes_rows_without_any_ring(post: Post, start_worker: Callable[[], Process]) -> None:
    start_worker()

    post.put("customer.created", customer())

    wait_until(lambda: rows(post) == 1, what="the row", seconds=20)


def test_a_worker_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    post: Post, start_worker: Callable[[], Process]
) -> None:
    put_many(post)
    first = start_worker()
    wait_until(lambda: rows(post) > 0, what="the first rows")
    first.send(signal.SIGKILL)

    start_worker()

    wait_until(lambda: post.mailboxes.status().waiting == 0, what="an empty line", seconds=30)
    assert rows(post) == EVENTS
    assert post.ledger() == {f"evt_{n}": "applied" for n in range(EVENTS)}


def test_a_worker_frozen_beyond_its_lease_cannot_undo_what_its_successor_did(
    post: Post, start_worker: Callable[[], Process]
) -> None:
    put_many(post)
    frozen = start_worker()
    wait_until(lambda: rows(post) > 0, what="the first rows")
    frozen.send(signal.SIGSTOP)

    start_worker()
    wait_until(lambda: post.mailboxes.status().waiting == 0, what="an empty line", seconds=40)
    frozen.send(signal.SIGCONT)

    assert post.ledger() == {f"evt_{n}": "applied" for n in range(EVENTS)}
    assert rows(post) == EVENTS


def test_a_worker_asked_to_stop_under_load_leaves_no_lease_behind(
    post: Post, start_worker: Callable[[], Process]
) -> None:
    put_many(post)
    worker = start_worker()
    wait_until(lambda: rows(post) > 0, what="the first rows")

    begun = time.monotonic()
    worker.ask_to_stop()

    assert worker.wait(25)
    assert worker.exit_code() == 0
    assert time.monotonic() - begun < 25
    status = post.mailboxes.status()
    assert status.leased == 0
    assert status.waiting == EVENTS - rows(post)


@pytest.mark.parametrize("message", UNREADABLE_RINGS.values(), ids=UNREADABLE_RINGS)
def test_b77_a_message_nobody_can_read_stops_no_mail(
    message: str, post: Post, redis_url: str, start_worker: Callable[[], Process]
) -> None:
    start_worker()
    with redis.Redis.from_url(redis_url) as client:
        client.lpush("cogento", message)
    start_worker()

    post.put("customer.created", customer())

    wait_until(lambda: rows(post) == 1, what="the row", seconds=30)
