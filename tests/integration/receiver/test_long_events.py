"""The longest events that Stripe can send are accepted and take memory only briefly, and longer ones do not go unnoticed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento.queue.codec import MAX_DECODED_BYTES
from receiver.reading import MAX_BODY_BYTES
from tests.support.forked_process import start_from_nothing
from tests.support.largest import Writing, largest_event
from tests.support.servers import wait_until
from tests.support.wire import Request, event_request

if TYPE_CHECKING:
    from tests.integration.receiver.conftest import Start, Valkeys
    from tests.support.running_receiver import RunningReceiver


@pytest.fixture(scope="module")
def receiver(own_valkey: Valkeys, start: Start) -> RunningReceiver:
    return start(own_valkey.url, start_from_nothing)


@pytest.mark.parametrize("writing", Writing)
def test_t15_the_longest_event_that_stripe_can_send_is_taken(
    receiver: RunningReceiver, writing: Writing
) -> None:
    id_ = f"evt_{writing.name.lower()}"
    body = largest_event(id_, writing)
    assert receiver.ask(Request(body)).outcome == (200, "queued")
    assert receiver.stored_body(id_) == body


def test_t15_memory_is_given_back_behind_the_longest_event(receiver: RunningReceiver) -> None:
    receiver.ask(event_request("evt_before"))
    before = receiver.memory_bytes()
    body = largest_event("evt_memory", Writing.ESCAPED_PAIRS)
    assert receiver.ask(Request(body)).outcome == (200, "queued")
    wait_until(lambda: receiver.memory_bytes() < 1.1 * before, what="memory to be given back")


def test_t15_what_is_longer_is_refused_and_counted_and_logged_with_its_length(
    receiver: RunningReceiver,
) -> None:
    sample = 'cogento_webhook_requests_total{outcome="body_too_large"}'
    before = receiver.metric(sample)
    request = Request(b"", length=str(MAX_BODY_BYTES + 1))
    assert receiver.ask(request).error == (413, "body_too_large")
    assert receiver.metric(sample) == before + 1
    assert json.loads(receiver.lines("long_body_refused")[-1])["announced"] == str(MAX_BODY_BYTES + 1)


def test_t15_whatever_the_receiver_takes_the_worker_can_read() -> None:
    longest = max(len(largest_event("evt_1", writing)) for writing in Writing)
    assert 1.2 * longest < MAX_BODY_BYTES <= MAX_DECODED_BYTES
