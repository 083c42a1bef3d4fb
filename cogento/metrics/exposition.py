"""The declared metrics in Prometheus's text format, and who may see them: the same for every process that serves them."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from cogento.metrics.declarations import (
    METRICS,
    QUEUE_METRICS,
    READ_AT,
    Buckets,
    Measured,
    measure,
    unpack,
)
from cogento.queue.delays import BUCKETS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cogento.metrics.declarations import Metric, Sample
    from cogento.queue.figures import KeptTables, QueueFigures

FRESH_SECONDS = 60
"""Figures of the tables that a worker read longer ago than this are left out, so that no old number is shown."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA")


def is_trusted(environ: Mapping[str, Any], token: str | None) -> bool:
    """Tell whether a request may see figures, and not only whether all is well.

    With a METRICS_TOKEN, a request with that token may. Without one, a request over loopback may that was not forwarded: a proxy
    on this machine connects over loopback for the whole internet.
    """
    if token is not None:
        offered = environ.get("HTTP_AUTHORIZATION", "")
        return hmac.compare_digest(offered.encode(), f"Bearer {token}".encode())
    forwarded = any(header in environ for header in _FORWARDED)
    return environ.get("REMOTE_ADDR") in _LOOPBACK and not forwarded


class ShownTables(NamedTuple):
    """The tables' samples to show, and whether Postgres answers: None where that is not known."""

    measured: Measured
    is_up: bool | None


NOTHING_KNOWN = ShownTables({}, is_up=None)


def shown_tables(kept: KeptTables | None) -> ShownTables:
    """Select what may be shown of the figures that a worker kept: of old ones only when they were read."""
    if kept is None:
        return NOTHING_KNOWN
    try:
        measured = unpack(kept.packed)
    except ValueError:
        return NOTHING_KNOWN
    if kept.age_seconds > FRESH_SECONDS:
        return ShownTables(
            {name: found for name, found in (measured or {}).items() if name == READ_AT}, is_up=None
        )
    return ShownTables(measured or {}, is_up=measured is not None)


def exposition(queue: QueueFigures | None, tables: ShownTables) -> bytes:
    """Write the figures of queue and tables; those of a server that did not answer are left out."""
    return exposition_of({None: (queue, tables)})


def exposition_of(accounts: Mapping[str | None, tuple[QueueFigures | None, ShownTables]]) -> bytes:
    """Write the same for several accounts, each sample with its account's name; under the key None without."""
    registry = CollectorRegistry()
    registry.register(_Known(accounts))
    return generate_latest(registry)


class _Known(Collector):
    def __init__(self, accounts: Mapping[str | None, tuple[QueueFigures | None, ShownTables]]) -> None:
        self._accounts = accounts

    def collect(self) -> Iterator[Family]:
        up = Family("cogento_up", "1 while the server that is needed answers, else 0.", "gauge")
        for account, (queue, tables) in self._accounts.items():
            named = _labels(account)
            up.add_sample("cogento_up", {"dependency": "redis", **named}, queue is not None)
            if tables.is_up is not None:
                up.add_sample("cogento_up", {"dependency": "postgres", **named}, tables.is_up)
        yield up
        measured = {
            account: (measure(QUEUE_METRICS, queue) if queue else {}) | tables.measured
            for account, (queue, tables) in self._accounts.items()
        }
        for metric in METRICS:
            family = Family(metric.name, metric.help, metric.type)
            for account, found in measured.items():
                _add(family, metric, found.get(metric.name, ()), _labels(account))
            if family.samples:
                yield family


def _labels(account: str | None) -> dict[str, str]:
    return {} if account is None else {"account": account}


def _add(family: Family, metric: Metric[Any], samples: Sequence[Sample], named: Mapping[str, str]) -> None:
    for sample in samples:
        if len(sample.labels) != len(metric.labels):
            continue  # another release may have kept samples with other labels
        labels, value = {**dict(zip(metric.labels, sample.labels, strict=True)), **named}, sample.value
        if isinstance(value, Buckets):
            for bound, count in zip(map(floatToGoString, BUCKETS_SECONDS), value.counts, strict=True):
                family.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, count)
            family.add_sample(f"{metric.name}_count", labels, value.counts[-1])
            family.add_sample(f"{metric.name}_sum", labels, value.sum_seconds)
        else:
            family.add_sample(metric.series, labels, value)
