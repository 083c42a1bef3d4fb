"""Every limit of docs/limits.md is tested from outside, while real events are still answered.

Memory is that of the process that serves: bounded under attack, and returned when the clients have left.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from cogento.serving.connection import MAX_BODIES_BYTES, MAX_CONNECTIONS, MAX_UNPARSED_BYTES
from receiver.reading import MAX_BODY_BYTES
from tests.support.forked_process import start_from_nothing
from tests.support.pushing import CHUNKED_POST, SIGNED_HEAD, UNSIGNED_POST, Push, pushing
from tests.support.running_receiver import forget_peak, memory_of
from tests.support.servers import wait_until
from tests.support.storm import storm
from tests.support.wire import Request, event_request

if TYPE_CHECKING:
    from tests.integration.receiver.conftest import Start, Valkeys
    from tests.support.running_receiver import RunningReceiver

TOO_MANY = MAX_CONNECTIONS + 20
MEGABYTE = 1024**2
EVENTS = 40
NUMBERS = itertools.count()
GET = b"GET /n HTTP/1.1\r\n\r\n"
LONG_POST = UNSIGNED_POST + b"Stripe-Signature: t=1,v1=00\r\nContent-Length: %d\r\n\r\n" % MAX_BODY_BYTES

WAITING = {
    "silent": Push(TOO_MANY, b""),
    "half a head": Push(TOO_MANY, SIGNED_HEAD),
    "answered and idle": Push(TOO_MANY, b"GET /healthz HTTP/1.1\r\n\r\n", await_answer=True),
    "refused": Push(TOO_MANY, b"rubbish\r\n\r\n"),
    "half a body": Push(TOO_MANY, SIGNED_HEAD + b"\r\n\r\n{"),
    "half a chunked body": Push(TOO_MANY, CHUNKED_POST + b"5\r\n{"),
}
ENDLESS = {
    "one header": Push(40, SIGNED_HEAD + b"\r\nX-Long: ", b"a" * 65_536),
    "headers": Push(40, SIGNED_HEAD + b"\r\n", b"X-More: a\r\n" * 5000),
    "empty lines": Push(40, b"", b"\r\n" * 30_000),
    "requests": Push(40, b"", GET * 13_157),
    "requests of many": Push(100, b"", GET * 13_157),
    "requests behind one that is answered": Push(40, event_request("evt_front").wire(), GET * 13_157),
}
BODIES = {
    "long": Push(20, LONG_POST, b" " * MEGABYTE),
    "chunks": Push(20, CHUNKED_POST, b"10000\r\n" + b" " * 65_536 + b"\r\n"),
    "one chunk": Push(20, CHUNKED_POST + b"fffffff\r\n", b" " * MEGABYTE),
    "tiny chunks": Push(20, CHUNKED_POST, b"1\r\na\r\n" * 10_000),
    "one chunk's extension": Push(20, CHUNKED_POST + b"1;", b"a" * 65_536),
    "trailers": Push(20, CHUNKED_POST + b"0\r\n", b"X-More: a\r\n" * 5000),
}


@pytest.fixture(scope="module")
def receiver(own_valkey: Valkeys, start: Start) -> RunningReceiver:
    """A receiver whose threads have all been used before any client pushes."""
    running = start(own_valkey.url, start_from_nothing)
    storm(running, [Request(method="GET", target="/readyz") for _ in range(400)], clients=40)
    answer_events(running)
    return running


def answer_events(receiver: RunningReceiver, count: int = EVENTS) -> None:
    for _ in range(count):
        receiver.keep(event_request(f"evt_{next(NUMBERS)}"))


def push_and_measure(receiver: RunningReceiver, push: Push) -> int:
    """Send real events during and after the pushing; returns by how many bytes memory grew meanwhile."""
    (pid,) = receiver.worker_pids()
    before = receiver.memory_bytes()
    forget_peak(pid)
    with pushing(receiver, push):
        answer_events(receiver)
    answer_events(receiver)
    wait_until(lambda: receiver.memory_bytes() < 1.1 * before, what="memory to be given back", seconds=20)
    return memory_of(pid, "VmHWM") - before


@pytest.mark.parametrize("push", WAITING.values(), ids=WAITING)
def test_a6_connections_that_wait_make_room_for_real_events(receiver: RunningReceiver, push: Push) -> None:
    closed = receiver.metric("cogento_webhook_crowded_out_total")
    assert push_and_measure(receiver, push) < 16 * MEGABYTE
    assert receiver.metric("cogento_webhook_crowded_out_total") - closed >= TOO_MANY - MAX_CONNECTIONS


@pytest.mark.parametrize("push", ENDLESS.values(), ids=ENDLESS)
def test_a2_requests_and_heads_without_end_cost_bounded_memory(receiver: RunningReceiver, push: Push) -> None:
    assert push_and_measure(receiver, push) < MAX_UNPARSED_BYTES + 16 * MEGABYTE


@pytest.mark.parametrize("push", BODIES.values(), ids=BODIES)
def test_a2_bodies_without_end_cost_bounded_memory(receiver: RunningReceiver, push: Push) -> None:
    assert push_and_measure(receiver, push) < MAX_BODIES_BYTES + 3 * MAX_BODY_BYTES


def test_nothing_of_all_that_was_a_mistake_of_ours(receiver: RunningReceiver) -> None:
    assert receiver.metric('cogento_webhook_requests_total{outcome="internal_error"}') == 0
    assert receiver.error_lines() == []
