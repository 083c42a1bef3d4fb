"""The console's /metrics: what it tells, to whom, and that docs/operations.md names all of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cogento.console.overview import Overview
from cogento.console.web.app import create_app
from cogento.console.web.metrics import exposition
from cogento.queue.delays import Delay, count
from cogento.store.sweeps import Sweeping
from cogento.version import VERSION
from tests.support.fake_dead_letters import FakeDeadLetters
from tests.support.figures import NOW_MS, letters, worker, workforce
from tests.unit.console.test_pages import AWAY, BUSY, FakeWatch

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
TOKEN = "t" * 32
HERE = {"REMOTE_ADDR": "127.0.0.1"}
ELSEWHERE = {"REMOTE_ADDR": "10.0.0.7"}


def told(seen: Overview) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    families = text_string_to_metric_families(exposition(seen).decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def status(environ: dict[str, str], *, token: str | None = None, **headers: str) -> int:
    app = create_app(FakeWatch(BUSY), FakeDeadLetters(), hosts={"localhost"}, login=None, metrics_token=token)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().get("/metrics", environ_overrides=environ, headers=sent).status_code


def test_tells_what_mailboxes_and_tables_hold() -> None:
    assert told(BUSY) == {
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
        ("cogento_queue_oldest_event_age_seconds",): 0.25,
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
        ("cogento_workers", "1.0"): 1,
        ("cogento_worker_last_heartbeat_timestamp_seconds", "0"): NOW_MS / 1000 - 2,
        ("cogento_worker_last_settled_timestamp_seconds", "0"): NOW_MS / 1000 - 3,
        ("cogento_ack_durability_info", "redis_fsync", "fsync_always"): 1,
        ("cogento_redis_memory_ratio",): 0.25,
        ("cogento_build_info", "0001", VERSION): 1,
    }


def test_before_the_first_sweep_there_is_no_time_of_one() -> None:
    assert BUSY.tables is not None
    never = Sweeping(watermark=None, finished=None, now=1000, missing=0, awaited=0)
    seen = told(replace(BUSY, tables=replace(BUSY.tables, sweeping=never)))
    assert [name for name, *_ in seen if "reconcile" in name] == [
        "cogento_reconcile_missing_total",
        "cogento_reconcile_pending_events",
    ]


def test_letters_are_told_by_status_and_class() -> None:
    assert BUSY.tables is not None
    dead = replace(BUSY.tables, letters=(letters(3, class_="permanent", removals=2), letters(2, removals=1)))
    seen = told(replace(BUSY, tables=dead))
    assert seen["cogento_dead_letters", "permanent", "open"] == 3
    assert seen["cogento_dead_letters", "bug", "open"] == 2
    assert seen["cogento_dead_letters_terminal",] == 3


def test_two_versions_at_work_are_told_apart() -> None:
    assert BUSY.mail is not None
    mixed = workforce(worker(0), worker(1, version="2.0"), worker(2, version="2.0", is_alive=False))
    seen = told(replace(BUSY, mail=replace(BUSY.mail, workforce=mixed)))
    assert (seen["cogento_workers", "1.0"], seen["cogento_workers", "2.0"]) == (1, 1)


def test_delays_are_told_as_histograms_by_source() -> None:
    assert BUSY.mail is not None
    counters: Counter[str] = Counter()
    count(counters, Delay.QUEUE, "webhook", 0.2)
    seen = told(replace(BUSY, mail=replace(BUSY.mail, counters=counters)))
    assert seen["cogento_event_queue_delay_seconds_bucket", "0.1", "webhook"] == 0
    assert seen["cogento_event_queue_delay_seconds_bucket", "0.25", "webhook"] == 1
    assert seen["cogento_event_queue_delay_seconds_count", "webhook"] == 1
    assert seen["cogento_event_queue_delay_seconds_sum", "webhook"] == 0.2


def test_a_redis_that_cannot_keep_the_promise_tells_nothing_of_it() -> None:
    assert BUSY.mail is not None
    seen = told(replace(BUSY, mail=replace(BUSY.mail, server=None)))
    assert not {name for name, *_ in seen} & {"cogento_ack_durability_info", "cogento_redis_memory_ratio"}


def test_servers_that_are_away_leave_no_old_numbers() -> None:
    assert told(AWAY) == {("cogento_up", "redis"): 0, ("cogento_up", "postgres"): 0}


def test_empty_mailboxes_have_no_age() -> None:
    assert BUSY.mail is not None
    empty = replace(BUSY, mail=replace(BUSY.mail, oldest_event_age_seconds=None))
    assert told(empty)["cogento_queue_oldest_event_age_seconds",] == 0


def test_an_open_circuit_is_told() -> None:
    assert BUSY.mail is not None
    waiting = replace(BUSY, mail=replace(BUSY.mail, waits_for={"postgres": "25006"}))
    assert told(waiting)["cogento_circuit_open", "postgres"] == 1


def test_says_in_which_format_it_speaks() -> None:
    client = create_app(FakeWatch(BUSY), FakeDeadLetters(), hosts={"localhost"}, login=None).test_client()
    assert client.get("/metrics").content_type.startswith("text/plain; version=")


@pytest.mark.parametrize("name", sorted({name for name, *_ in told(BUSY)}))
def test_every_metric_is_described(name: str) -> None:
    assert f"`{name}" in PAGE


def test_without_a_token_this_machine_may_ask() -> None:
    assert status(HERE) == 200


def test_without_a_token_nobody_else_may() -> None:
    assert status(ELSEWHERE) == 404


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "Via"])
def test_forwarded_request_is_not_this_machine_s(header: str) -> None:
    assert status(HERE, **{header: "127.0.0.1"}) == 404


def test_with_a_token_whoever_bears_it_may_ask() -> None:
    assert status(ELSEWHERE, token=TOKEN, Authorization=f"Bearer {TOKEN}") == 200


@pytest.mark.parametrize("offered", ["", "Bearer ", f"Bearer {TOKEN}x", TOKEN, "Bearer \xe9"])
def test_with_a_token_nothing_else_will_do(offered: str) -> None:
    assert status(HERE, token=TOKEN, Authorization=offered) == 404
