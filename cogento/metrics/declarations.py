"""Every metric of the queue, the workers and the tables, declared once: name, type, help, and where its figure comes from.

Whoever serves metrics (the receiver, the console) renders what is declared here; exposition.py has how. The receiver's
own counters are in receiver/metrics.py. Pure, except for the counts that a worker keeps until its next heartbeat.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from cogento import VERSION
from cogento.accounts import working_for
from cogento.queue.circuit import Dependency
from cogento.queue.delays import Delay, histograms
from cogento.queue.status import MailboxState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cogento.queue.figures import QueueFigures
    from cogento.store.figures import TableFigures

F = TypeVar("F")


class Type(StrEnum):
    """The types of metrics that Prometheus knows."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


_SUFFIXES = {Type.COUNTER: "_total", Type.INFO: "_info"}


class Buckets(NamedTuple):
    """The value of a histogram: how many observations were up to each of BUCKETS_SECONDS, and the sum of all."""

    counts: tuple[int, ...]
    sum_seconds: float


class Sample(NamedTuple):
    """One series of a metric: the values of its labels, in their order, and its own."""

    labels: tuple[str, ...]
    value: float | Buckets


Measured = dict[str, list[Sample]]
"""The samples of some metrics, by the metrics' names."""


@dataclass(frozen=True, slots=True)
class Metric(Generic[F]):
    """One metric. `read` finds its samples in the figures F: one number, or several by the values of the labels.

    Where it returns None or no samples, the metric is left out.
    """

    name: str
    type: Type
    help: str
    read: Callable[[F], float | Mapping[tuple[str, ...], float | Buckets] | None]
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> str:
        """The name of its samples, as rules ask for it; those of a histogram have several."""
        return self.name + _SUFFIXES.get(self.type, "")

    def measure(self, figures: F) -> list[Sample]:
        """Return the samples."""
        found = self.read(figures)
        if found is None:
            return []
        if isinstance(found, int | float):
            return [Sample((), found)]
        return [Sample(labels, value) for labels, value in found.items()]


def measure(metrics: tuple[Metric[F], ...], figures: F) -> Measured:
    """Return the samples of these metrics; those that have none are left out."""
    return {metric.name: found for metric in metrics if (found := metric.measure(figures))}


_counted: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
"""Counts not yet sent, by account."""
_counting = threading.Lock()


@dataclass(frozen=True, slots=True)
class WorkerCounter:
    """Something that workers count; their heartbeats add it up in Redis, beside the delays (queue/delays.py).

    The name is without Prometheus's `_total`.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def count(self, *labels: str, by: int = 1) -> None:
        """Count under these values of the labels, which must be few, known beforehand, and without spaces or commas."""
        with _counting:
            _counted[working_for.get()][f"{self.name} {','.join(labels) or '-'} total"] += by

    def read(self, figures: QueueFigures) -> Mapping[tuple[str, ...], float]:
        """Return what all workers have counted; a counter without labels starts at 0."""
        found: dict[tuple[str, ...], float] = {} if self.labels else {(): 0}
        for field, count in figures.counters.items():
            name, labels, _ = field.split()
            if name == self.name:
                found[tuple(labels.split(",")) if self.labels else ()] = count
        return found

    @property
    def metric(self) -> Metric[QueueFigures]:
        """The metric that shows it."""
        return Metric(self.name, Type.COUNTER, self.help, self.read, self.labels)


def take_counted(account: str | None = None) -> Counter[str]:
    """Return what this process has counted for an account since the last call, as fields of the workers' counters."""
    with _counting:
        return _counted.pop(account, Counter())


BATCHES = WorkerCounter(
    "cogento_worker_batches", "Batches that workers claimed, by what became of them.", ("outcome",)
)
WORKER_COUNTERS = (BATCHES,)


def _delays(delay: Delay) -> Callable[[QueueFigures], Mapping[tuple[str, ...], Buckets]]:
    return lambda queue: {
        (found.source,): Buckets(found.counts, found.sum_seconds)
        for found in histograms(queue.counters)
        if found.delay is delay
    }


QUEUE_METRICS: tuple[Metric[QueueFigures], ...] = (
    Metric("cogento_queue_events", Type.GAUGE, "Events that wait in mailboxes.", lambda queue: queue.waiting),
    Metric(
        "cogento_queue_parked_events",
        Type.GAUGE,
        "Events that wait for their customer's own event.",
        lambda queue: queue.parked,
    ),
    Metric(
        "cogento_queue_customers",
        Type.GAUGE,
        "Customers with waiting events, by state.",
        lambda queue: {(state,): getattr(queue, state) for state in MailboxState},
        ("state",),
    ),
    Metric(
        "cogento_queue_paused",
        Type.GAUGE,
        "1 while an operator has paused all customers.",
        lambda queue: queue.everything_paused,
    ),
    Metric(
        "cogento_queue_oldest_event_age_seconds",
        Type.GAUGE,
        "How long the oldest event at the head of a mailbox that is not paused has waited; 0 when none waits.",
        lambda queue: queue.oldest_event_age_seconds or 0,
    ),
    Metric(
        "cogento_queue_oldest_paused_event_age_seconds",
        Type.GAUGE,
        "How long the oldest event at the head of a paused mailbox has waited; 0 when none is paused.",
        lambda queue: queue.oldest_paused_age_seconds or 0,
    ),
    Metric(
        "cogento_circuit_open",
        Type.GAUGE,
        "1 while workers claim no events because this dependency is away, or while they are returning to it.",
        lambda queue: {(str(one),): one in queue.waits_for for one in Dependency},
        ("dependency",),
    ),
    Metric(
        "cogento_stripe_key_refused",
        Type.GAUGE,
        "1 while Stripe refuses the API key, or did until a moment ago.",
        lambda queue: int(queue.key_refused),
    ),
    Metric(
        "cogento_queue_received_events",
        Type.COUNTER,
        "Events put into mailboxes.",
        lambda queue: queue.received_total,
    ),
    Metric(
        "cogento_queue_settled_events",
        Type.COUNTER,
        "Events taken out of mailboxes as done.",
        lambda queue: queue.settled_total,
    ),
    Metric(
        "cogento_queue_repairs",
        Type.COUNTER,
        "Mailboxes and events that Redis had lost from the line and that were put back.",
        lambda queue: queue.repaired_total,
    ),
    Metric(
        "cogento_queue_lost_events",
        Type.COUNTER,
        "Events whose body Redis had lost.",
        lambda queue: queue.lost_total,
    ),
    Metric(
        "cogento_workers",
        Type.GAUGE,
        "Workers that take work, by their version.",
        lambda queue: {(version,): count for version, count in queue.workforce.versions.items()},
        ("version",),
    ),
    Metric(
        "cogento_worker_last_heartbeat_timestamp_seconds",
        Type.GAUGE,
        "When a worker last sent a heartbeat; one that stopped in order is left out.",
        lambda queue: {(str(worker.slot),): worker.beat_ms / 1000 for worker in queue.workforce.seen},
        ("worker_slot",),
    ),
    Metric(
        "cogento_worker_last_settled_timestamp_seconds",
        Type.GAUGE,
        "When a worker last settled events; 0 when it has not yet.",
        lambda queue: {(str(worker.slot),): (worker.took_ms or 0) / 1000 for worker in queue.workforce.seen},
        ("worker_slot",),
    ),
    Metric(
        "cogento_event_queue_delay_seconds",
        Type.HISTOGRAM,
        "From put to settled: ours alone.",
        _delays(Delay.QUEUE),
        ("source",),
    ),
    Metric(
        "cogento_event_freshness_seconds",
        Type.HISTOGRAM,
        "From creation in Stripe to settled.",
        _delays(Delay.FRESHNESS),
        ("source",),
    ),
    Metric(
        "cogento_ack_durability",
        Type.INFO,
        "What a 2xx promises, and by which mechanism.",
        lambda queue: {(queue.server.ack, queue.server.ack_means): 1} if queue.server else None,
        ("level", "means"),
    ),
    Metric(
        "cogento_redis_memory_ratio",
        Type.GAUGE,
        "How full Redis is; left out where it has no limit.",
        lambda queue: (
            queue.server.used_memory_bytes / queue.server.maxmemory_bytes
            if queue.server and queue.server.maxmemory_bytes
            else None
        ),
    ),
    *(counter.metric for counter in WORKER_COUNTERS),
)
"""Metrics from Redis: every process that serves metrics reads these."""

READ_AT = "cogento_postgres_figures_timestamp_seconds"

TABLE_METRICS: tuple[Metric[TableFigures], ...] = (
    Metric(
        READ_AT,
        Type.GAUGE,
        "When the figures of the tables were read; older than a minute, all but this are left out.",
        lambda tables: tables.sweeping.now,
    ),
    Metric(
        "cogento_events_processed",
        Type.COUNTER,
        "Events by how they ended, since the tables exist.",
        lambda tables: {(outcome,): count for outcome, count in tables.outcomes.items()},
        ("outcome",),
    ),
    Metric(
        "cogento_dead_letters",
        Type.GAUGE,
        "Unresolved dead letters, by status (open, retrying) and failure class.",
        lambda tables: {(one.status, one.failure_class): one.letters for one in tables.letters},
        ("status", "class"),
    ),
    Metric(
        "cogento_dead_letters_terminal",
        Type.GAUGE,
        "Unresolved dead letters of events that end a customer or subscription which a row still shows as not ended.",
        lambda tables: tables.removals,
    ),
    Metric(
        "cogento_dead_letter_oldest_age_seconds",
        Type.GAUGE,
        "Age of the oldest unresolved dead letter; 0 when there is none.",
        lambda tables: tables.oldest_letter_age_seconds or 0,
    ),
    Metric(
        "cogento_ambiguous_rows",
        Type.GAUGE,
        "Rows whose events leave open which of them is last.",
        lambda tables: tables.unsure,
    ),
    Metric(
        "cogento_refetch_pending",
        Type.GAUGE,
        "Objects that thin events named and that Stripe has still to be asked for.",
        lambda tables: tables.to_ask,
    ),
    Metric(
        "cogento_reconcile_missing",
        Type.COUNTER,
        "Events that no webhook brought, found by sweeps.",
        lambda tables: tables.sweeping.missing,
    ),
    Metric(
        "cogento_reconcile_pending_events",
        Type.GAUGE,
        "Events that sweeps found and that are not yet in the ledger.",
        lambda tables: tables.sweeping.awaited,
    ),
    Metric(
        "cogento_reconcile_last_success_timestamp_seconds",
        Type.GAUGE,
        "When a sweep last ended; left out before the first.",
        lambda tables: tables.sweeping.finished,
    ),
    Metric(
        "cogento_reconcile_watermark_timestamp_seconds",
        Type.GAUGE,
        "Up to when no event of ours is missing; Stripe lists events for 30 days.",
        lambda tables: tables.sweeping.watermark,
    ),
    Metric(
        "cogento_build",
        Type.INFO,
        "The version of the program that read the tables, and the tables' migration.",
        lambda tables: {(VERSION, tables.revision): 1},
        ("version", "schema"),
    ),
)
"""Metrics from Postgres: a worker reads these and keeps them in Redis; the console reads them itself."""


METRICS: tuple[Metric[Any], ...] = (*QUEUE_METRICS, *TABLE_METRICS)

_PACKED = msgspec.json.Decoder(dict[str, list[tuple[tuple[str, ...], float]]] | None)


def pack(measured: Measured | None) -> bytes:
    """Encode samples for processes of any release; None says that none could be read."""
    return msgspec.json.encode(measured)


def unpack(packed: bytes) -> Measured | None:
    """Read what `pack` wrote; raises ValueError for anything else."""
    found = _PACKED.decode(packed)
    return found and {name: [Sample(*one) for one in samples] for name, samples in found.items()}
