"""A worker's periodic task for dead letters, seen from outside a real worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento import runtime
from tests.support.builders import customer, event_body, subscription
from tests.support.servers import wait_until
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

BODIES = "SELECT event_id, raw_body IS NULL AS erased FROM dead_letters WHERE event_id <> 'evt_3' ORDER BY event_id"
CLOSE = """
    UPDATE dead_letters
    SET status = 'discarded', resolved_at = now() - CASE event_id WHEN 'evt_1' THEN 31 ELSE 29 END * INTERVAL '1 day'
    WHERE event_id <> 'evt_3' RETURNING id
"""
ENDS = "SELECT status, resolution FROM dead_letters WHERE event_id = 'evt_3'"


def test_a_worker_erases_bodies_a_month_after_the_end_and_retries_a_letter_whose_customer_has_come(
    post: Post, start_worker: Callable[[], RunningWorker]
) -> None:
    body = event_body("customer.subscription.created", subscription(), id_="evt_3")
    open_letter = letter("3", reason="customer_missing", raw_body=body)
    runtime.run(post.store.insert_dead_letters([letter("1"), letter("2"), open_letter]))
    post.rows(CLOSE)
    post.put("customer.created", customer(), id_="evt_0")
    post.drain()

    start_worker()

    erased = [{"event_id": "evt_1", "erased": True}, {"event_id": "evt_2", "erased": False}]
    resolved = [{"status": "resolved", "resolution": "applied"}]
    wait_until(lambda: post.rows(BODIES) == erased, what="the body to be erased", seconds=20)
    wait_until(lambda: post.rows(ENDS) == resolved, what="the letter to be applied", seconds=20)
