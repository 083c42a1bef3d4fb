"""What traces change in a receiver: the stored form of an event, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.builders import customer, event_body
from tests.support.listeners import TraceCollector, listening
from tests.support.running_receiver import FASTPATH, FLASK_UNDER_GUNICORN, RunningReceiver
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def collector() -> Iterator[TraceCollector]:
    with listening(TraceCollector()) as collector:
        yield collector


def start_flask(redis_url: str, folder: Path, collector: TraceCollector, **settings: str) -> RunningReceiver:
    """A receiver without the fast path, which its test stops."""
    log = folder / "receiver.log"
    receiver = RunningReceiver(redis_url, log, FLASK_UNDER_GUNICORN, **collector.environment, **settings)
    receiver.await_answer()
    return receiver


def event(about: str, **fields: str) -> Request:
    """A customer's event of a name."""
    return Request(event_body("customer.created", customer(f"cus_{about}", **fields), id_=f"evt_{about}"))


def test_a_repetition_that_waits_is_told_from_another_content_as_ever(
    redis_url: str, collector: TraceCollector, tmp_path: Path
) -> None:
    receiver = start_flask(redis_url, tmp_path, collector)
    first, other = event("twice"), event("twice", name="Eve")
    answers = [json.loads(receiver.ask(request).body)["status"] for request in (first, first, other)]
    stored = receiver.redis.get("{cogento:0}:event:evt_twice")
    body = receiver.stored_body("evt_twice")
    receiver.stop()

    assert answers == ["queued", "duplicate", "duplicate"]
    assert [stored[:1], body] == [b"\x03", first.body]  # type: ignore[index]
    assert len(receiver.lines("conflicting_duplicate_received")) == 1


def test_an_error_is_named_by_its_type_alone(
    redis_url: str, collector: TraceCollector, tmp_path: Path
) -> None:
    receiver = start_flask(redis_url, tmp_path, collector, FAILPOINTS="before_enqueue=raise:RuntimeError")
    answer = receiver.ask(event("bug"))
    receiver.stop()

    (put,) = collector.named("put into mailbox")
    assert (answer.status, put.status.code, put.status.message) == (
        500,
        put.status.STATUS_CODE_ERROR,
        "RuntimeError",
    )
    assert list(put.events) == []


@pytest.mark.parametrize("program", [FASTPATH, FLASK_UNDER_GUNICORN])
def test_a_receiver_that_stops_sends_what_it_still_has(
    redis_url: str, collector: TraceCollector, tmp_path: Path, program: tuple[str, ...]
) -> None:
    late = collector.environment | {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
    receiver = RunningReceiver(redis_url, tmp_path / "log", program, **late)
    receiver.await_answer()
    receiver.ask(event("last"))
    receiver.stop()
    assert [span.name for span in collector.spans] == [
        "verify signature",
        "put into mailbox",
        "receive webhook",
    ]


def test_an_event_that_is_not_sampled_is_stored_as_without_traces(
    redis_url: str, collector: TraceCollector, tmp_path: Path
) -> None:
    receiver = start_flask(redis_url, tmp_path, collector, OTEL_TRACES_SAMPLER="always_off")
    receiver.ask(event("unsampled"))
    stored = receiver.redis.get("{cogento:0}:event:evt_unsampled")
    receiver.stop()

    assert stored[:1] == b"\x02"  # type: ignore[index]
    assert collector.spans == []
