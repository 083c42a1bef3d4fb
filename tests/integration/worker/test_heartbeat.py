"""What a worker reports of itself, with real mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento import runtime
from cogento.queue.circuit import Dependency
from cogento.queue.delays import Delay, histograms
from tests.support.builders import customer

if TYPE_CHECKING:
    from cogento.queue.delays import Histogram
    from tests.support.post import Post


def test_a_worker_tells_how_long_what_it_settled_had_waited(post: Post) -> None:
    post.drain()  # the beat that is due; the next one is the last
    post.put("customer.created", customer())

    post.drain()
    runtime.run(post.heartbeat.stop())

    counted = {(found.delay, found.source): found.counts[-1] for found in _histograms(post)}
    assert counted == {(Delay.QUEUE, "webhook"): 1, (Delay.FRESHNESS, "webhook"): 1}


def test_a_worker_that_may_not_claim_events_lives_all_the_same(post: Post) -> None:
    circuit = post.mailboxes.circuit(Dependency.POSTGRES)
    circuit.failed("away", begun_ms=0, errors_limit=1, probe_after_seconds=60)

    post.drain()

    assert [seen.is_alive for seen in post.mailboxes.workers.seen()] == [True]


def test_a_worker_that_stopped_is_no_longer_seen(post: Post) -> None:
    post.drain()

    runtime.run(post.heartbeat.stop())

    assert post.mailboxes.workers.seen() == ()


def _histograms(post: Post) -> list[Histogram]:
    return histograms(post.mailboxes.workers.delays())
