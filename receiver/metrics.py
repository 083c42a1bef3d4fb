"""What the receiver itself counts, for Prometheus; labels are few and never name a customer or an event.

The queue's, the workers' and the tables' figures are declared in cogento/metrics/.

gunicorn_conf.py sets PROMETHEUS_MULTIPROC_DIR before this is imported, so that one scrape sees every
process of the receiver.

What every webhook counts is added up over one turn of the event loop first: prometheus_client takes as long to count
one as to count many, and one by one it was a tenth of what a webhook takes without its put.
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

if TYPE_CHECKING:
    from collections.abc import Sequence

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Durations(Histogram):
    """A histogram that takes many observations at once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Do what `observe` does of each, in one addition for each bucket."""
        times = [0] * len(self._upper_bounds)
        for amount in amounts:
            times[bisect_left(self._upper_bounds, amount)] += 1
        for bucket, often in zip(self._buckets, times, strict=True):
            if often:
                bucket.inc(often)
        self._sum.inc(sum(amounts))


_REQUESTS = Counter(
    "cogento_webhook_requests", "Requests by what became of them.", ["outcome"], registry=REGISTRY
)
_ACK_SECONDS = Durations(
    "cogento_webhook_ack_duration_seconds",
    "From a request's head to its answer.",
    ["outcome"],
    registry=REGISTRY,
    buckets=ACK_BUCKETS,
)
_IGNORED = Counter(
    "cogento_webhook_ignored", "Signed events that we do not keep, by reason.", ["reason"], registry=REGISTRY
)
_SIGNATURE_FAILURES = Counter(
    "cogento_webhook_signature_failures", "Refused signatures by broken rule.", ["reason"], registry=REGISTRY
)
_SECRET_MATCHES = Counter(
    "cogento_signature_secret_matches",
    "Events by the place of the secret that signed them; an old one at 0 for a day is free to go.",
    ["secret_index"],
    registry=REGISTRY,
)
_CLOCK_SKEW = Gauge(
    "cogento_clock_skew_seconds",
    "Our clock minus Stripe's timestamp, at the last signed event.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
_CHANGED_BODIES = Counter(
    "cogento_webhook_conflicting_duplicates",
    "Signed events whose id waits with another body.",
    registry=REGISTRY,
)

_CROWDED_OUT = Counter(
    "cogento_webhook_crowded_out",
    "Connections that were closed to make room, by what they waited for.",
    ["stage"],
    registry=REGISTRY,
)


def count_answer(outcome: str) -> None:
    """Count an answer by its status or error code."""
    _requests(outcome).inc()


def time_answer(outcome: str, seconds: float) -> None:
    """Count an answer and how long it took."""
    _turn.answers.setdefault(outcome, []).append(seconds)
    _turn.end_soon()


def count_ignored(reason: str) -> None:
    """Count a signed event that we do not keep."""
    _IGNORED.labels(reason).inc()


def count_signature_failure(reason: str) -> None:
    """Count a refused signature."""
    _SIGNATURE_FAILURES.labels(reason).inc()


def count_signed(secret_index: int, age_seconds: float) -> None:
    """Count a good signature and show how far our clock is from Stripe's."""
    _turn.signed[secret_index] = _turn.signed.get(secret_index, 0) + 1
    _turn.age_seconds = age_seconds
    _turn.end_soon()


def show_clock_skew(age_seconds: float) -> None:
    """Show how far our clock is from Stripe's, by an event of this age that one of our secrets signed."""
    _CLOCK_SKEW.set(age_seconds)


def count_changed_body() -> None:
    """Count an event that was signed twice with different contents."""
    _CHANGED_BODIES.inc()


def count_crowding(stage: str) -> None:
    """Count a connection that was closed to make room."""
    _CROWDED_OUT.labels(stage).inc()


def exposition() -> bytes:
    """Everything counted, by every process of this receiver, in Prometheus's text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    every_process = CollectorRegistry()
    multiprocess.MultiProcessCollector(every_process)  # type: ignore[no-untyped-call]
    return generate_latest(every_process)


# Looking a child up by its labels costs more than counting: keep the ones of the hot path.
@cache
def _requests(outcome: str) -> Counter:
    return _REQUESTS.labels(outcome)


@cache
def _ack_seconds(outcome: str) -> Durations:
    return _ACK_SECONDS.labels(outcome)


@cache
def _secret_matches(secret_index: int) -> Counter:
    return _SECRET_MATCHES.labels(str(secret_index))


class _Turn(threading.local):
    """What a thread has counted in this turn of its event loop; without a loop each count is a turn."""

    def __init__(self) -> None:
        self.answers: dict[str, list[float]] = {}
        self.signed: dict[int, int] = {}
        self.age_seconds = 0.0
        self._ends_on: asyncio.AbstractEventLoop | None = None  # who has been asked to end this turn

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
        for outcome, seconds in self.answers.items():
            _requests(outcome).inc(len(seconds))
            _ack_seconds(outcome).observe_all(seconds)
        for secret_index, times in self.signed.items():
            _secret_matches(secret_index).inc(times)
        if self.signed:
            show_clock_skew(self.age_seconds)
        self.answers, self.signed = {}, {}


_turn = _Turn()
