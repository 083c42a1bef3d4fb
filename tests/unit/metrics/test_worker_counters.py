"""What workers count: declared once, counted anywhere in a worker, shown by every process that serves metrics."""

from __future__ import annotations

import time

import pytest

from cogento import runtime
from cogento.metrics import declarations
from cogento.metrics.declarations import WORKER_COUNTERS, WorkerCounter, take_counted
from cogento.queue.delays import Delay, count, histograms
from tests.support.fake_redis import FakeRedis
from tests.support.figures import queue_figures
from tests.support.looped import LoopedMailboxes
from worker.heartbeat import WorkerHeartbeat

PLAIN = WorkerCounter("cogento_made_up", "Counted by a test.")
LABELLED = WorkerCounter("cogento_made_up_by_kind", "Counted by a test.", ("kind", "size"))


@pytest.fixture(autouse=True)
def _nothing_counted_before() -> None:
    take_counted()


@pytest.fixture
def mailboxes() -> LoopedMailboxes:
    return LoopedMailboxes.on(FakeRedis())


def beat(mailboxes: LoopedMailboxes) -> None:
    """Beat as a worker does that has just started."""
    now, workers = mailboxes.looped.now_ms, mailboxes.looped.workers
    heartbeat = WorkerHeartbeat(
        workers, worker="host:1", version="1", shards=1, now_ms=now, clock=time.monotonic
    )
    runtime.run(heartbeat.beat())


def test_what_workers_counted_is_added_up_with_their_heartbeats(mailboxes: LoopedMailboxes) -> None:
    PLAIN.count(by=2)
    LABELLED.count("a", "large")
    beat(mailboxes)
    PLAIN.count()
    beat(mailboxes)
    figures = queue_figures(counters=mailboxes.workers.delays())
    assert PLAIN.metric.measure(figures) == [((), 3)]
    assert LABELLED.metric.measure(figures) == [(("a", "large"), 1)]


def test_every_counter_that_is_declared_is_shown() -> None:
    declared = [one for one in vars(declarations).values() if isinstance(one, WorkerCounter)]
    assert declared == list(WORKER_COUNTERS), "name it in WORKER_COUNTERS, in the order of declarations.py"


def test_what_was_told_is_told_once() -> None:
    PLAIN.count()
    assert sum(take_counted().values()) == 1
    assert not take_counted()


def test_one_without_labels_is_nought_before_anything_is_counted() -> None:
    assert PLAIN.metric.measure(queue_figures()) == [((), 0)]
    assert LABELLED.metric.measure(queue_figures()) == []


def test_delays_are_read_as_ever_beside_other_counters() -> None:
    """By a release that knows nothing of them, too: every field has three words."""
    PLAIN.count()
    LABELLED.count("a", "b")
    counters = take_counted()
    count(counters, Delay.QUEUE, "webhook", [1])
    assert [found.source for found in histograms(counters)] == ["webhook"]
