"""Metrics of queue, workers and tables, in any process that serves them, and how old they may be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from cogento import VERSION
from cogento.metrics.declarations import READ_AT, TABLE_METRICS, WORKER_COUNTERS, Sample, measure, pack
from cogento.metrics.exposition import (
    FRESH_SECONDS,
    NOTHING_KNOWN,
    ShownTables,
    exposition,
    shown_tables,
)
from cogento.queue.delays import Delay, count
from cogento.queue.figures import KeptTables, QueueFigures
from cogento.store.progress import SweepStatus
from tests.support.figures import NOW_MS, letters, queue_figures, table_figures, worker, workforce

if TYPE_CHECKING:
    from cogento.store.figures import TableFigures

QUEUE = queue_figures(
    received_total=1200,
    settled_total=1190,
    waiting=10,
    leased=1,
    sleeping=2,
    parked=3,
    oldest_event_age_seconds=0.25,
    oldest_paused_age_seconds=61.5,
)
TABLES = table_figures(outcomes={"applied": 1100, "stale": 4}, unsure=1)
KEPT = pack(measure(TABLE_METRICS, TABLES))


def read(text: bytes) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def shown(queue: QueueFigures = QUEUE, tables: TableFigures = TABLES) -> dict[tuple[str, ...], float]:
    return read(exposition(queue, ShownTables(measure(TABLE_METRICS, tables), is_up=True)))


def kept(packed: bytes = KEPT, *, age_seconds: float = 1) -> dict[tuple[str, ...], float]:
    """What a receiver shows of what a worker kept."""
    return read(exposition(None, shown_tables(KeptTables(packed, age_seconds))))


def test_shows_what_queue_and_tables_hold() -> None:
    counted = {f"{counter.name}_total" for counter in WORKER_COUNTERS}
    assert {sample: value for sample, value in shown().items() if sample[0] not in counted} == {
        ("cogento_up", "redis"): 1,
        ("cogento_up", "postgres"): 1,
        ("cogento_queue_events",): 10,
        ("cogento_queue_parked_events",): 3,
        ("cogento_queue_customers", "ready"): 7,
        ("cogento_queue_customers", "leased"): 1,
        ("cogento_queue_customers", "sleeping"): 2,
        ("cogento_queue_customers", "paused"): 0,
        ("cogento_queue_paused",): 0,
        ("cogento_circuit_open", "postgres"): 0,
        ("cogento_stripe_key_refused",): 0,
        ("cogento_queue_oldest_event_age_seconds",): 0.25,
        ("cogento_queue_oldest_paused_event_age_seconds",): 61.5,
        ("cogento_queue_received_events_total",): 1200,
        ("cogento_queue_settled_events_total",): 1190,
        ("cogento_queue_repairs_total",): 3,
        ("cogento_queue_lost_events_total",): 0,
        ("cogento_events_processed_total", "applied"): 1100,
        ("cogento_events_processed_total", "stale"): 4,
        ("cogento_dead_letters_terminal",): 0,
        ("cogento_dead_letter_oldest_age_seconds",): 0,
        ("cogento_ambiguous_rows",): 1,
        ("cogento_refetch_pending",): 0,
        ("cogento_reconcile_missing_total",): 7,
        ("cogento_reconcile_pending_events",): 2,
        ("cogento_reconcile_last_success_timestamp_seconds",): 950,
        ("cogento_reconcile_watermark_timestamp_seconds",): 900,
        (READ_AT,): 1000,
        ("cogento_workers", "1.0"): 1,
        ("cogento_worker_last_heartbeat_timestamp_seconds", "0"): NOW_MS / 1000 - 2,
        ("cogento_worker_last_settled_timestamp_seconds", "0"): NOW_MS / 1000 - 3,
        ("cogento_ack_durability_info", "redis_fsync", "fsync_always"): 1,
        ("cogento_redis_memory_ratio",): 0.25,
        ("cogento_build_info", "0001", VERSION): 1,
    }


def test_what_a_worker_kept_is_shown_as_the_console_shows_what_it_read() -> None:
    dead = replace(TABLES, letters=(letters(3, removals=1),))
    own = shown(tables=dead)
    assert kept(pack(measure(TABLE_METRICS, dead))).items() <= own.items() | {(("cogento_up", "redis"), 0.0)}
    assert own["cogento_dead_letters", "bug", "open"] == 3


def test_figures_of_a_minute_ago_are_shown() -> None:
    assert kept(age_seconds=FRESH_SECONDS)["cogento_ambiguous_rows",] == 1


def test_of_older_ones_nothing_but_when_they_were_read() -> None:
    assert kept(age_seconds=FRESH_SECONDS + 1) == {("cogento_up", "redis"): 0, (READ_AT,): 1000}


def test_a_worker_that_could_not_read_the_tables_says_that_postgres_is_away() -> None:
    assert kept(pack(None)) == {("cogento_up", "redis"): 0, ("cogento_up", "postgres"): 0}


def test_what_somebody_else_wrote_is_not_shown() -> None:
    assert kept(b"{]") == kept(b'{"cogento_ambiguous_rows": 1}') == {("cogento_up", "redis"): 0}


def test_of_another_release_s_samples_those_are_shown_that_are_as_declared() -> None:
    other = pack(
        {
            "cogento_no_more": [Sample((), 1)],
            "cogento_dead_letters": [Sample(("open",), 1)],
            "cogento_ambiguous_rows": [Sample((), 5)],
        }
    )
    assert kept(other) == {
        ("cogento_up", "redis"): 0,
        ("cogento_up", "postgres"): 1,
        ("cogento_ambiguous_rows",): 5,
    }


def test_servers_that_are_away_leave_no_old_numbers() -> None:
    assert read(exposition(None, ShownTables({}, is_up=False))) == {
        ("cogento_up", "redis"): 0,
        ("cogento_up", "postgres"): 0,
    }


def test_nothing_is_said_of_a_postgres_that_nobody_has_asked() -> None:
    assert ("cogento_up", "postgres") not in read(exposition(QUEUE, NOTHING_KNOWN))
    assert shown_tables(None) == NOTHING_KNOWN


def test_before_the_first_sweep_there_is_no_time_of_one() -> None:
    never = SweepStatus(watermark=None, finished=None, now=1000, missing=0, awaited=0)
    seen = shown(tables=replace(TABLES, sweeping=never))
    assert [name for name, *_ in seen if "reconcile" in name] == [
        "cogento_reconcile_missing_total",
        "cogento_reconcile_pending_events",
    ]


def test_letters_are_told_by_status_and_class() -> None:
    dead = replace(TABLES, letters=(letters(3, class_="permanent", removals=2), letters(2, removals=1)))
    seen = shown(tables=dead)
    assert seen["cogento_dead_letters", "permanent", "open"] == 3
    assert seen["cogento_dead_letters", "bug", "open"] == 2
    assert seen["cogento_dead_letters_terminal",] == 3


def test_two_versions_at_work_are_told_apart() -> None:
    mixed = workforce(worker(0), worker(1, version="2.0"), worker(2, version="2.0", is_alive=False))
    seen = shown(replace(QUEUE, workforce=mixed))
    assert (seen["cogento_workers", "1.0"], seen["cogento_workers", "2.0"]) == (1, 1)


def test_delays_are_told_as_histograms_by_source() -> None:
    counters: Counter[str] = Counter()
    count(counters, Delay.QUEUE, "webhook", [0.2])
    seen = shown(replace(QUEUE, counters=counters))
    assert seen["cogento_event_queue_delay_seconds_bucket", "0.1", "webhook"] == 0
    assert seen["cogento_event_queue_delay_seconds_bucket", "0.25", "webhook"] == 1
    assert seen["cogento_event_queue_delay_seconds_count", "webhook"] == 1
    assert seen["cogento_event_queue_delay_seconds_sum", "webhook"] == 0.2


def test_a_redis_that_cannot_keep_the_promise_tells_nothing_of_it() -> None:
    seen = shown(replace(QUEUE, server=None))
    assert not {name for name, *_ in seen} & {"cogento_ack_durability_info", "cogento_redis_memory_ratio"}


def test_empty_mailboxes_have_no_age() -> None:
    empty = replace(QUEUE, oldest_event_age_seconds=None, oldest_paused_age_seconds=None)
    assert shown(empty)["cogento_queue_oldest_event_age_seconds",] == 0
    assert shown(empty)["cogento_queue_oldest_paused_event_age_seconds",] == 0


def test_an_open_circuit_is_told() -> None:
    waiting = replace(QUEUE, waits_for={"postgres": "25006"})
    assert shown(waiting)["cogento_circuit_open", "postgres"] == 1


def test_a_key_that_stripe_refuses_is_told() -> None:
    assert shown(replace(QUEUE, key_refused=True))["cogento_stripe_key_refused",] == 1
