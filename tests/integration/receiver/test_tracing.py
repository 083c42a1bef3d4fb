"""What traces change of a receiver: what it stores of an event, and nothing else."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from cogento.local.ports import LOCALHOST
from tests.support.builders import customer, event_body
from tests.support.listeners import TraceCollector, listening
from tests.support.running_receiver import FLASK_UNDER_GUNICORN, RunningReceiver
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


def test_an_event_that_is_not_sampled_is_stored_as_without_traces_and_no_collector_delays_a_stop(
    redis_url: str, tmp_path: Path
) -> None:
    with socket.create_server((LOCALHOST, 0)) as deaf:
        nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOCALHOST}:{deaf.getsockname()[1]}"}
        sampled, unsampled = (
            RunningReceiver(redis_url, tmp_path / sampler, **nowhere, OTEL_TRACES_SAMPLER=sampler)
            for sampler in ("always_on", "always_off")
        )
        sampled.await_answer()
        unsampled.await_answer()
        sampled.ask(event("sampled"))
        unsampled.ask(event("unsampled"))
        values = [sampled.redis.get("{cogento:0}:event:evt_" + name) for name in ("sampled", "unsampled")]
        sampled.stop()
        unsampled.stop()

    assert [value[:1] for value in values] == [b"\x03", b"\x02"]  # type: ignore[index]
    assert [receiver.process.exit_code() for receiver in (sampled, unsampled)] == [0, 0]
