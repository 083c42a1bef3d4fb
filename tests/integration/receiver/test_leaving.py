"""Connections that end: by a client that leaves, by silence, or because the receiver is told to stop."""

from __future__ import annotations

import itertools
import signal
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from cogento.serving.connection import HEAD_SECONDS, IDLE_SECONDS
from tests.support.servers import send, wait_until
from tests.support.storm import storm
from tests.support.wire import event_request

if TYPE_CHECKING:
    from tests.integration.receiver.conftest import Start, Valkeys
    from tests.support.running_receiver import RunningReceiver
    from tests.support.wire import Request

NUMBERS = itertools.count()
ROUTER_SECONDS = 90  # devcenter.heroku.com/articles/http-routing#keepalives
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def receiver(own_valkey: Valkeys, start: Start) -> RunningReceiver:
    return start(own_valkey.url)


def new_event() -> Request:
    return event_request(f"evt_leaving_{next(NUMBERS)}")


REQUESTS = {
    "pages": GET * 100,
    "metrics": GET.replace(b"/healthz", b"/metrics") * 100,
    "unknown": GET.replace(b"/healthz", b"/n") * 100,
    "unsigned": b"POST /webhooks/stripe HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    * 100,
    "events": b"".join(event_request(f"evt_left_{number}").wire() for number in range(100)),
    "half a body": event_request().wire()[:-5],
}


@pytest.mark.parametrize("reads", [True, False], ids=["reads-once", "reads-nothing"])
@pytest.mark.parametrize("resets", [True, False], ids=["resets", "closes"])
@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
def test_a3_a_client_that_leaves_before_its_answers_is_no_error(
    receiver: RunningReceiver, requests: bytes, *, resets: bool, reads: bool
) -> None:
    with receiver.connect() as connection:
        connection.send(requests)
        connection.socket.recv(100 * reads)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE * resets or bytes(8))
    receiver.keep(new_event())
    assert receiver.get("/healthz").status == 200
    assert receiver.error_lines() == []
    assert receiver.metric('cogento_webhook_requests_total{outcome="internal_error"}') == 0


def test_requests_in_one_go_are_all_answered_in_their_order(receiver: RunningReceiver) -> None:
    ids = [f"evt_in_one_go_{number}" for number in range(300)]
    requests = [event_request(id_) for id_ in ids]
    with receiver.connect() as connection:
        sender = threading.Thread(target=connection.send, args=(b"".join(r.wire() for r in requests),))
        sender.start()
        answers = [connection.read() for _ in requests]
        sender.join()
    told = [answer and answer.json["event"] for answer in answers]
    assert told == ids


def test_t22_an_idle_connection_is_kept_for_longer_than_a_router_keeps_it(receiver: RunningReceiver) -> None:
    with receiver.connect() as connection:
        assert connection.ask(new_event()).outcome == (200, "queued")
        connection.socket.settimeout(HEAD_SECONDS + 1)
        with pytest.raises(TimeoutError):
            connection.socket.recv(1)
        assert connection.ask(new_event()).outcome == (200, "queued")
    assert IDLE_SECONDS > ROUTER_SECONDS


def test_t22_a_request_on_its_way_when_the_receiver_is_told_to_stop_is_answered(
    own_valkey: Valkeys, start: Start
) -> None:
    receiver, wire = start(own_valkey.url), new_event().wire()
    with receiver.connect() as silent, receiver.connect() as idle, receiver.connect() as half:
        idle.ask(new_event())
        half.send(wire[:-5])
        send(receiver.process.pid, signal.SIGTERM)
        wait_until(lambda: "Shutting down" in receiver.log.read_text(), what="the receiver to stop")
        silent.send(new_event().wire())
        idle.send(new_event().wire())
        half.send(wire[-5:])
        answers = [connection.read() for connection in (silent, idle, half)]
    assert [answer and answer.outcome for answer in answers] == [(200, "queued")] * 3
    assert [answer and answer.headers.get("connection") for answer in answers] == ["close"] * 3


def test_t22_no_request_of_a_kept_connection_is_lost_when_the_receiver_is_interrupted(
    own_valkey: Valkeys, start: Start
) -> None:
    receiver = start(own_valkey.url)
    requests = [new_event() for _ in range(20_000)]
    stopper = threading.Thread(target=_stop_at_work, args=(receiver, receiver.waiting()))
    stopper.start()
    replies = storm(receiver, requests, clients=16)
    stopper.join()
    assert 0 < len(replies) < len(requests)
    assert [reply for reply in replies if reply.answer is None] == []
    assert {reply.answer.outcome for reply in replies if reply.answer} == {(200, "queued")}


def _stop_at_work(receiver: RunningReceiver, before: int) -> None:
    wait_until(lambda: receiver.waiting() > before + 100, what="the storm to be at work")
    send(receiver.process.pid, signal.SIGINT)
