from __future__ import annotations

import json
from typing import TYPE_CHECKING

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


def test_events_become_rows_without_any_wakeup_and_b77_whatever_message_nobody_can_read(
    post: Post, redis_url: str, start_worker: Callable[..., RunningWorker]
) -> None:
    """A worker may end on such a message; the next one must not."""
    start_worker()
    post.put("customer.created", customer("cus_no_ring"), id_="evt_no_ring")
    wait_until(lambda: rows(post) == 1, what="the row", seconds=20)

    def is_survived(name: str) -> bool:
        before = rows(post)
        with redis.Redis.from_url(redis_url) as client:
            client.lpush("cogento", UNREADABLE_RINGS[name])
        start_worker()
        post.put("customer.created", customer(f"cus_{before}"), id_=f"evt_{before}")
        wait_until(lambda: rows(post) == before + 1, what=f"the row behind {name}", seconds=30)
        return True

    assert all(map(is_survived, UNREADABLE_RINGS))
