"""What the receiver itself counts, for Prometheus; labels are few and never name a customer or an event.

The queue's, the workers' and the tables' figures are declared in cogento/metrics/.

gunicorn_conf.py sets PROMETHEUS_MULTIPROC_DIR before this is imported, so that one scrape sees every
process of the receiver.

Counts of webhooks are first added up over one turn of the event loop: prometheus_client takes as long to count one as to count
many, and one by one that was a tenth of a webhook's time without its put.
"""

from __future__ import annotations

import asyncio
import os
import threading
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ACCOUNT = "account"
"""The label with the account's name. Where accounts have no names it is empty, and left out of the exposition."""
ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Durations(Histogram):
    """A histogram that takes many observations at once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe all amounts as `observe` would, with one addition for each bucket."""
        times = [0] * len(self._upper_bounds)
        for amount in amounts:
            times[bisect_left(self._upper_bounds, amount)] += 1
        for bucket, often in zip(self._buckets, times, strict=True):
            if often:
                bucket.inc(often)
        self._sum.inc(sum(amounts))


_REQUESTS = Counter(
    "cogento_webhook_requests", "Requests by what became of them.", ["outcome", ACCOUNT], registry=REGISTRY
)
_ACK_SECONDS = Durations(
    "cogento_webhook_ack_duration_seconds",
    "From a request's head to its answer.",
    ["outcome", ACCOUNT],
    registry=REGISTRY,
    buckets=ACK_BUCKETS,
)
_IGNORED = Counter(
    "cogento_webhook_ignored",
    "Signed events that we do not keep, by reason.",
    ["reason", ACCOUNT],
    registry=REGISTRY,
)
_SIGNATURE_FAILURES = Counter(
    "cogento_webhook_signature_failures",
    "Refused signatures by broken rule.",
    ["reason", ACCOUNT],
    registry=REGISTRY,
)
_SECRET_MATCHES = Counter(
    "cogento_signature_secret_matches",
    "Events by the position of the secret that signed them; an old secret with none for a day can be removed.",
    ["secret_index", ACCOUNT],
    registry=REGISTRY,
)
_CLOCK_SKEW = Gauge(
    "cogento_clock_skew_seconds",
    "Our clock minus Stripe's timestamp, at the last signed event.",
    [ACCOUNT],
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
_CHANGED_BODIES = Counter(
    "cogento_webhook_conflicting_duplicates",
    "Signed events whose id waits with another body.",
    [ACCOUNT],
    registry=REGISTRY,
)

_CROWDED_OUT = Counter(
    "cogento_webhook_crowded_out",
    "Connections that were closed to make room, by the stage in which they waited.",
    ["stage"],
    registry=REGISTRY,
)


def prepare(account: str | None) -> None:
    """Create an account's series, so that they are shown from the start."""
    _CLOCK_SKEW.labels(account or "")
    _CHANGED_BODIES.labels(account or "")


def count_answer(outcome: str, account: str | None = None) -> None:
    """Count an answer by its status or error code."""
    _requests(outcome, account).inc()


def time_answer(outcome: str, seconds: float, account: str | None = None) -> None:
    """Count an answer and how long it took."""
    _turn.answers.setdefault((outcome, account), []).append(seconds)
    _turn.end_soon()


def count_ignored(reason: str, account: str | None) -> None:
    """Count a signed event that we do not keep."""
    _IGNORED.labels(reason, account or "").inc()


def count_signature_failure(reason: str, account: str | None) -> None:
    """Count a refused signature."""
    _SIGNATURE_FAILURES.labels(reason, account or "").inc()


def count_signed(secret_index: int, age_seconds: float, account: str | None = None) -> None:
    """Count a good signature and show how far our clock is from Stripe's."""
    signed = (secret_index, account)
    _turn.signed[signed] = _turn.signed.get(signed, 0) + 1
    _turn.ages[account] = age_seconds
    _turn.end_soon()


def show_clock_skew(age_seconds: float, account: str | None) -> None:
    """Show how far our clock is from Stripe's, from the age of an event that one of our secrets signed."""
    _clock_skew(account).set(age_seconds)


def count_changed_body(account: str | None) -> None:
    """Count an event that was signed twice with different contents."""
    _CHANGED_BODIES.labels(account or "").inc()


def count_crowding(stage: str) -> None:
    """Count a connection that was closed to make room."""
    _CROWDED_OUT.labels(stage).inc()


def exposition() -> bytes:
    """Return everything counted, by every process of this receiver, in Prometheus's text format."""
    counted: Collector = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = multiprocess.MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
    shown = CollectorRegistry()
    shown.register(_WithoutEmptyLabels(counted))
    return generate_latest(shown)


class _WithoutEmptyLabels(Collector):
    """A collector's metrics without empty labels: to Prometheus an empty label and a missing one are the same."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        for family in self._collector.collect():
            family.samples = [
                sample._replace(labels={name: value for name, value in sample.labels.items() if value})
                for sample in family.samples
            ]
            yield family


# Looking up a child by its labels costs more than counting, so those of the hot path are kept.
@cache
def _requests(outcome: str, account: str | None) -> Counter:
    return _REQUESTS.labels(outcome, account or "")


@cache
def _ack_seconds(outcome: str, account: str | None) -> Durations:
    return _ACK_SECONDS.labels(outcome, account or "")


@cache
def _secret_matches(secret_index: int, account: str | None) -> Counter:
    return _SECRET_MATCHES.labels(str(secret_index), account or "")


@cache
def _clock_skew(account: str | None) -> Gauge:
    return _CLOCK_SKEW.labels(account or "")


class _Turn(threading.local):
    """A thread's counts in this turn of its event loop; without a loop each count is a turn of its own."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str | None], list[float]] = {}
        self.signed: dict[tuple[int, str | None], int] = {}
        self.ages: dict[str | None, float] = {}
        self._ends_on: asyncio.AbstractEventLoop | None = None  # the loop that was asked to end this turn

    def end_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._end()
            return
        if self._ends_on is not loop:
            self._ends_on = loop
            loop.call_soon(self._end)

    def _end(self) -> None:
        self._ends_on = None
        for (outcome, account), seconds in self.answers.items():
            _requests(outcome, account).inc(len(seconds))
            _ack_seconds(outcome, account).observe_all(seconds)
        for (secret_index, account), times in self.signed.items():
            _secret_matches(secret_index, account).inc(times)
        for account, age_seconds in self.ages.items():
            show_clock_skew(age_seconds, account)
        self.answers, self.signed, self.ages = {}, {}, {}


_turn = _Turn()
