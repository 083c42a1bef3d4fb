"""How long events waited, counted by workers and read by processes that show it."""

from __future__ import annotations

from collections import Counter

import pytest

from cogento.queue.delays import BUCKETS_SECONDS, Delay, Histogram, count, histograms


def counted(*seconds: float, source: str = "webhook") -> Counter[str]:
    counters: Counter[str] = Counter()
    count(counters, Delay.QUEUE, source, seconds)
    return counters


def up_to(bucket: float, found: Histogram) -> int:
    return found.counts[BUCKETS_SECONDS.index(bucket)]


@pytest.mark.parametrize(("seconds", "bucket"), [(0.1, 0.1), (0.11, 0.25), (9.99, 10.0), (1e9, float("inf"))])
def test_an_event_is_in_the_first_bucket_that_holds_it(seconds: float, bucket: float) -> None:
    assert f"queue webhook {bucket}" in counted(seconds)


def test_buckets_hold_all_that_waited_less() -> None:
    (found,) = histograms(counted(0.05, 0.2, 20))
    assert [up_to(bucket, found) for bucket in (0.1, 0.25, 10.0, 30.0, float("inf"))] == [1, 2, 2, 3, 3]
    assert found.sum_seconds == pytest.approx(20.25)


def test_each_source_has_its_own() -> None:
    found = histograms(counted(1) + counted(1, source="sweep"))
    assert [(one.delay, one.source) for one in found] == [(Delay.QUEUE, "sweep"), (Delay.QUEUE, "webhook")]


def test_an_event_of_the_future_waited_for_nothing() -> None:
    (found,) = histograms(counted(-3))
    assert (up_to(0.1, found), found.sum_seconds) == (1, 0)


def test_nothing_counted_is_no_histogram() -> None:
    assert histograms({}) == []
