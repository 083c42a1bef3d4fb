from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.builders import customer
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

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


def rows(post: Post) -> int:
    (row,) = post.rows("SELECT count(*) FROM users")
    return int(row["count"])


def test_mail_becomes_rows_without_any_ring(post: Post, start_worker: Callable[..., RunningWorker]) -> None:
    start_worker()

    post.put("customer.created", customer())

    wait_until(lambda: rows(post) == 1, what="the row", seconds=20)


@pytest.mark.parametrize("message", UNREADABLE_RINGS.values(), ids=UNREADABLE_RINGS)
def test_b77_a_message_nobody_can_read_stops_no_mail(
    message: str, post: Post, redis_url: str, start_worker: Callable[..., RunningWorker]
) -> None:
    start_worker()
    with redis.Redis.from_url(redis_url) as client:
        client.lpush("cogento", message)
    start_worker()

    post.put("customer.created", customer())

    wait_until(lambda: rows(post) == 1, what="the row", seconds=30)
