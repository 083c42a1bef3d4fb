"""What mailboxes and tables hold, for Prometheus: the overview's figures under names that alerts can keep.

The receiver has no Postgres and workers have no web page, so the console's watch tells for all of them.
A server that does not answer leaves its figures out, so that none goes on showing an old number.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from cogento.queue.circuit import Dependency
from cogento.queue.delays import BUCKETS_SECONDS, Delay, histograms
from cogento.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from cogento.console.overview import Overview
    from cogento.queue.checks import ServerFacts
    from cogento.queue.delays import Histogram
    from cogento.queue.figures import QueueFigures
    from cogento.queue.worker_registry import Workforce
    from cogento.store.figures import TableFigures
    from cogento.store.sweeps import Sweeping

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA")


def is_trusted(environ: Mapping[str, Any], token: str | None) -> bool:
    """Tell whether a request may see the metrics: the same rule as the receiver's.

    With a METRICS_TOKEN: who bears it. Without: who asks over loopback and was not forwarded, for a
    proxy on this machine asks over loopback in the name of the whole internet.
    """
    if token is not None:
        offered = environ.get("HTTP_AUTHORIZATION", "")
        return hmac.compare_digest(offered.encode(), f"Bearer {token}".encode())
    forwarded = any(header in environ for header in _FORWARDED)
    return environ.get("REMOTE_ADDR") in _LOOPBACK and not forwarded


def exposition(seen: Overview) -> bytes:
    """Write what was seen in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Seen(seen))
    return generate_latest(registry)


class _Seen(Collector):
    def __init__(self, seen: Overview) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        mail, tables = self._seen.mail, self._seen.tables
        yield _by_label(
            "cogento_up",
            "1 while the server that is needed answers, else 0.",
            "dependency",
            {"redis": mail is not None, "postgres": tables is not None},
        )
        if mail is not None:
            yield from _of_mail(mail)
            yield from _of_workers(mail.workforce)
            yield from _of_delays(histograms(mail.counters))
            yield from _of_server(mail.server)
        if tables is not None:
            yield from _of_tables(tables)


def _of_mail(mail: QueueFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily("cogento_queue_events", "Events that wait in mailboxes.", mail.waiting)
    yield GaugeMetricFamily(
        "cogento_queue_parked_events", "Events that wait for their customer's own event.", mail.parked
    )
    yield _by_label(
        "cogento_queue_customers",
        "Customers with mail, by state.",
        "state",
        {"ready": mail.ready, "leased": mail.leased, "sleeping": mail.sleeping, "paused": mail.paused},
    )
    yield GaugeMetricFamily("cogento_queue_paused", "1 while an operator holds everything.", mail.halted)
    yield GaugeMetricFamily(
        "cogento_queue_oldest_event_age_seconds",
        "How long the oldest event at the head of a mailbox has waited; 0 when none waits.",
        mail.oldest_event_age_seconds or 0,
    )
    yield _by_label(
        "cogento_circuit_open",
        "1 while workers take no mail, or come back, because this is away.",
        "dependency",
        {str(dependency): dependency in mail.waits_for for dependency in Dependency},
    )
    yield CounterMetricFamily(
        "cogento_queue_received_events", "Events put into mailboxes.", mail.received_total
    )
    yield CounterMetricFamily(
        "cogento_queue_settled_events", "Events taken out of mailboxes as done.", mail.settled_total
    )
    yield CounterMetricFamily(
        "cogento_queue_repairs",
        "Mailboxes and events that Redis had lost from the line and that were put back.",
        mail.repaired_total,
    )
    yield CounterMetricFamily(
        "cogento_queue_lost_events", "Events whose bytes Redis had lost.", mail.lost_total
    )


def _of_workers(workforce: Workforce) -> Iterator[Metric]:
    yield _by_label(
        "cogento_workers", "Workers that take work, by their version.", "version", workforce.versions
    )
    yield _by_label(
        "cogento_worker_last_heartbeat_timestamp_seconds",
        "When a worker last said that it takes work; one that stopped in order is left out.",
        "worker_slot",
        {str(worker.slot): worker.beat_ms / 1000 for worker in workforce.seen},
    )
    yield _by_label(
        "cogento_worker_last_settled_timestamp_seconds",
        "When a worker last settled mail; 0 when it has not yet.",
        "worker_slot",
        {str(worker.slot): (worker.took_ms or 0) / 1000 for worker in workforce.seen},
    )


def _of_delays(delays: Sequence[Histogram]) -> Iterator[Metric]:
    for name, text, delay in (
        ("cogento_event_queue_delay_seconds", "From put to settled: ours alone.", Delay.QUEUE),
        ("cogento_event_freshness_seconds", "From happened in Stripe to settled.", Delay.FRESHNESS),
    ):
        family = HistogramMetricFamily(name, text, labels=["source"])
        for found in delays:
            if found.delay is delay:
                buckets = zip(map(floatToGoString, BUCKETS_SECONDS), found.counts, strict=True)
                family.add_metric([found.source], list(buckets), found.sum_seconds)
        yield family


def _of_server(server: ServerFacts | None) -> Iterator[Metric]:
    if server is None:
        return
    info = InfoMetricFamily("cogento_ack_durability", "What a 2xx promises, and by which means it is kept.")
    info.add_metric([], {"level": server.ack, "means": server.ack_means})
    yield info
    if server.maxmemory_bytes:
        yield GaugeMetricFamily(
            "cogento_redis_memory_ratio",
            "How full Redis is; left out where it has no limit.",
            server.used_memory_bytes / server.maxmemory_bytes,
        )


def _of_tables(tables: TableFigures) -> Iterator[Metric]:
    processed = CounterMetricFamily(
        "cogento_events_processed", "Events by how they ended, since the tables exist.", labels=["outcome"]
    )
    for outcome, count in tables.outcomes.items():
        processed.add_metric([outcome], count)
    yield processed
    letters = GaugeMetricFamily(
        "cogento_dead_letters", "Letters nobody has dealt with yet.", labels=["status", "class"]
    )
    for kind in tables.letters:
        letters.add_metric([kind.status, kind.failure_class], kind.letters)
    yield letters
    yield GaugeMetricFamily(
        "cogento_dead_letters_terminal",
        "Those of them that end a customer or subscription which a row still shows.",
        tables.removals,
    )
    yield GaugeMetricFamily(
        "cogento_dead_letter_oldest_age_seconds",
        "How long the oldest of them has lain; 0 when there is none.",
        tables.oldest_letter_age_seconds or 0,
    )
    yield GaugeMetricFamily(
        "cogento_ambiguous_rows", "Rows of which nobody knows how their object ends.", tables.unsure
    )
    yield GaugeMetricFamily(
        "cogento_refetch_pending",
        "Objects that thin events told of and that Stripe has not told of since.",
        tables.to_ask,
    )
    yield from _of_sweeps(tables.sweeping)
    build = InfoMetricFamily("cogento_build", "The console's version, and the migration of the tables.")
    build.add_metric([], {"version": VERSION, "schema": tables.revision})
    yield build


def _of_sweeps(sweeping: Sweeping) -> Iterator[Metric]:
    """What Stripe was asked for; the times are left out before the first sweep."""
    yield CounterMetricFamily(
        "cogento_reconcile_missing", "Events that no webhook brought, found by sweeps.", sweeping.missing
    )
    yield GaugeMetricFamily(
        "cogento_reconcile_pending_events",
        "Events that sweeps saw and the ledger has not yet.",
        sweeping.awaited,
    )
    if sweeping.finished is not None:
        yield GaugeMetricFamily(
            "cogento_reconcile_last_success_timestamp_seconds",
            "When a sweep last came to its end.",
            sweeping.finished,
        )
    if sweeping.watermark is not None:
        yield GaugeMetricFamily(
            "cogento_reconcile_watermark_timestamp_seconds",
            "Up to when every event of ours is known to be here; Stripe lists events for 30 days.",
            sweeping.watermark,
        )


def _by_label(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
