"""The bad inputs of docs/bad-inputs.md on the receiver that runs in production, and what its own server refuses."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from cogento.serving.request_cycle import READ_SECONDS
from tests.support.bad_inputs import BEFORE, GOOD
from tests.support.receiver_contract import (
    JOINED,
    OF_THE_SERVER,
    SCRIPT_NAME,
    TWO_SLASHES,
    ReceiverContract,
    quickest,
    rows,
)
from tests.support.running_receiver import FASTPATH
from tests.support.wire import CHUNKED, event_request

if TYPE_CHECKING:
    from tests.support.running_receiver import RunningReceiver
    from tests.support.wire import Request

MEMORY_BYTES = 100 * 1024**2


@dataclass(frozen=True)
class Dribble:
    """How the receiver fared while 80 clients sent one byte a second."""

    slowest_headers_seconds: float
    slowest_body_seconds: float
    good_p99_seconds: float


def _dribble(connections: list[Any], stop: threading.Event) -> None:
    for byte in GOOD.wire():
        for connection in connections:
            connection.send(bytes((byte,)))
        if stop.wait(1):
            return


def _timed(receiver: RunningReceiver, number: int) -> float:
    begun = time.monotonic()
    assert receiver.ask(event_request(f"evt_dribble_{number}")).outcome == (200, "queued")
    return time.monotonic() - begun


def _seconds_until_cut(connection: Any, begun: float) -> float:
    with connection:
        while not connection.is_closed():
            pass
    return time.monotonic() - begun


def _client_hello() -> bytes:
    sent = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


class TestFastPath(ReceiverContract):
    program = FASTPATH

    @pytest.mark.usefixtures("untouched")
    @pytest.mark.parametrize(("request_", "status", "code"), rows(*OF_THE_SERVER, *JOINED, *TWO_SLASHES))
    def test_the_server_refuses_it_in_time_in_the_same_words(
        self, receiver: RunningReceiver, request_: Request | bytes, status: int, code: str
    ) -> None:
        answer, seconds = quickest(receiver, request_)
        assert answer.error == (status, code)
        assert seconds < self.within_seconds

    def test_b22_nobody_says_where_the_application_begins(self, receiver: RunningReceiver) -> None:
        assert receiver.ask(replace(BEFORE, headers=(SCRIPT_NAME,))).outcome == (200, "duplicate")

    @pytest.mark.usefixtures("untouched")
    def test_b13_a_request_smuggled_in_a_body_is_not_answered(self, receiver: RunningReceiver) -> None:
        smuggled = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with receiver.connect() as connection:
            answer = connection.ask(replace(GOOD, body=smuggled, headers=(CHUNKED,)))
            assert answer.status == 400
            assert connection.is_closed()

    @pytest.fixture(scope="class")
    @classmethod
    def dribble(cls, receiver: RunningReceiver) -> Dribble:
        heads = [receiver.connect() for _ in range(40)]
        bodies = [receiver.connect() for _ in range(40)]
        begun = time.monotonic()
        for connection in bodies:
            connection.send(
                replace(GOOD, body=b"").wire().replace(b"Content-Length: 0", b"Content-Length: 500")
            )
        stop = threading.Event()
        dribbler = threading.Thread(target=_dribble, args=([*heads, *bodies], stop))
        dribbler.start()
        times = sorted(_timed(receiver, number) for number in range(200))
        ends = [_seconds_until_cut(connection, begun) for connection in [*heads, *bodies]]
        stop.set()
        dribbler.join()
        return Dribble(max(ends[:40]), max(ends[40:]), times[int(len(times) * 0.99)])

    def test_b16_slow_headers_hold_up_nobody_and_are_cut(self, dribble: Dribble) -> None:
        assert dribble.good_p99_seconds < READ_SECONDS / 5
        assert dribble.slowest_headers_seconds < READ_SECONDS + 1

    def test_b17_slow_bodies_hold_up_nobody_and_are_cut(self, dribble: Dribble) -> None:
        assert dribble.good_p99_seconds < READ_SECONDS / 5
        assert dribble.slowest_body_seconds < READ_SECONDS + 1

    @pytest.mark.usefixtures("untouched")
    def test_b20_http_0_9_is_not_answered(self, receiver: RunningReceiver) -> None:
        with receiver.connect() as connection:
            connection.send(b"GET /metrics\r\n")
            connection.socket.shutdown(1)
            assert connection.is_closed()

    @pytest.mark.usefixtures("untouched")
    def test_b20_tls_is_refused_or_cut_and_its_bytes_are_not_logged(self, receiver: RunningReceiver) -> None:
        with receiver.connect() as connection:
            connection.send(_client_hello())
            connection.socket.shutdown(1)
            answer = connection.read()
        assert answer is None or answer.status == 400
        assert receiver.log.read_text().isascii()

    def test_no_memory_was_lost_over_all_that(self, receiver: RunningReceiver) -> None:
        assert receiver.memory_bytes() < MEMORY_BYTES
