"""Chunked bodies, as tunnels and streaming proxies send them: accepted like any other, and no way around a rule."""

from __future__ import annotations

import itertools
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from receiver.reading import MAX_BODY_BYTES
from tests.support.builders import customer, event_body, signed_header
from tests.support.largest import Writing, largest_event
from tests.support.wire import CHUNKED, LAST_CHUNK, UNSIGNED, Request, chunk, chunked, event_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.receiver.conftest import Start, Valkeys
    from tests.support.running_receiver import RunningReceiver

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def receiver(own_valkey: Valkeys, start: Start) -> RunningReceiver:
    return start(own_valkey.url)


@pytest.fixture
def untouched(receiver: RunningReceiver) -> Iterator[None]:
    """Nothing that the test does is stored, and the receiver goes on."""
    before = receiver.stored()
    yield
    assert receiver.stored() == before
    assert receiver.get("/healthz").status == 200


def new_event() -> tuple[str, bytes]:
    id_ = f"evt_chunked_{next(NUMBERS)}"
    return id_, event_body("customer.updated", customer(name="Ada" * 60), id_=id_)


def pieces(body: bytes, length: int) -> Iterator[bytes]:
    return (body[begin : begin + length] for begin in range(0, len(body), length))


WAYS = {
    "one chunk": lambda body: chunk(body) + LAST_CHUNK,
    "many": lambda body: b"".join(map(chunk, pieces(body, 100))) + LAST_CHUNK,
    "of one byte": lambda body: b"".join(map(chunk, pieces(body, 1))) + LAST_CHUNK,
    "upper case": lambda body: chunk(body, size=b"%X") + LAST_CHUNK,
    "leading zeros": lambda body: chunk(body, size=b"%08x") + LAST_CHUNK,
    "extension": lambda body: chunk(body, behind=b";name=value") + b"0;last\r\n\r\n",
    "trailer": lambda body: chunk(body) + b"0\r\nX-Checksum: 1\r\n\r\n",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("coding", [CHUNKED, "transfer-encoding: Chunked"])
def test_t12_a_signed_chunked_event_is_taken_byte_for_byte(
    receiver: RunningReceiver, way: Callable[[bytes], bytes], coding: str
) -> None:
    id_, body = new_event()
    assert receiver.ask(chunked(body, way(body), coding=coding)).outcome == (200, "queued")
    assert receiver.stored_body(id_) == body


def test_t12_the_connection_goes_on_behind_a_chunked_event(receiver: RunningReceiver) -> None:
    events = [new_event()[1] for _ in range(3)]
    with receiver.connect() as connection:
        answers = [connection.ask(chunked(body, chunk(body) + LAST_CHUNK)).outcome for body in events]
    assert answers == [(200, "queued")] * 3


def test_t12_what_follows_a_chunked_event_at_once_is_answered_after_it(receiver: RunningReceiver) -> None:
    (_, first), second = new_event(), event_request(new_event()[0])
    with receiver.connect() as connection:
        connection.send(chunked(first, chunk(first) + LAST_CHUNK).wire() + second.wire())
        answers = [connection.read(), connection.read()]
    assert [answer and answer.outcome for answer in answers] == [(200, "queued")] * 2


def test_t12_the_longest_body_is_taken_in_chunks_too(receiver: RunningReceiver) -> None:
    id_, _ = new_event()
    body = largest_event(id_, Writing.ESCAPED_PAIRS)
    body += b" " * (MAX_BODY_BYTES - len(body))
    sent = b"".join(map(chunk, pieces(body, 65_536))) + LAST_CHUNK
    assert receiver.ask(chunked(body, sent)).outcome == (200, "queued")
    assert receiver.stored_body(id_) == body


@pytest.mark.usefixtures("untouched")
def test_t12_one_byte_more_is_too_much_in_chunks_too(receiver: RunningReceiver) -> None:
    body = new_event()[1]
    body += b" " * (MAX_BODY_BYTES + 1 - len(body))
    sent = b"".join(map(chunk, pieces(body, 65_536))) + LAST_CHUNK
    assert receiver.ask(chunked(body, sent)).error == (413, "body_too_large")


BODY = event_body("customer.updated", customer(), id_="evt_never")
WHOLE = chunk(BODY) + LAST_CHUNK
REFUSED = {
    "and a length": (chunked(BODY, WHOLE, "Content-Length: 5"), 400, "bad_request"),
    "twice": (chunked(BODY, WHOLE, CHUNKED), 400, "bad_request"),
    "behind another coding": (
        chunked(BODY, WHOLE, coding="Transfer-Encoding: gzip, chunked"),
        415,
        "encoding_unsupported",
    ),
    "before another coding": (
        chunked(BODY, WHOLE, coding="Transfer-Encoding: chunked, gzip"),
        400,
        "bad_request",
    ),
    "with a space in its name": (
        chunked(BODY, WHOLE, coding="Transfer-Encoding : chunked"),
        400,
        "bad_request",
    ),
    "without a signature": (replace(chunked(BODY, WHOLE), signature=UNSIGNED), 400, "signature_invalid"),
    "empty": (chunked(b"", LAST_CHUNK), 400, "malformed"),
    "a size that is none": (chunked(BODY, b"xyz\r\n" + BODY + b"\r\n" + LAST_CHUNK), 400, "body_incomplete"),
    "a size with a sign": (chunked(BODY, b"-5\r\n" + BODY + b"\r\n" + LAST_CHUNK), 400, "body_incomplete"),
    "a size of 17 digits": (chunked(BODY, b"f" * 17 + b"\r\n" + BODY), 400, "body_incomplete"),
    "a chunk longer than its size": (
        chunked(BODY, b"5\r\n" + BODY + b"\r\n" + LAST_CHUNK),
        400,
        "body_incomplete",
    ),
    "an extension without end": (
        chunked(BODY, b"5;" + b"a" * 100_000 + b"\r\n"),
        400,
        "body_incomplete",
    ),
    "trailers without end": (
        chunked(BODY, chunk(BODY) + b"0\r\n" + b"X-More: a\r\n" * 10_000),
        400,
        "body_incomplete",
    ),
}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("request_", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_t12_a_chunked_body_is_no_way_around_a_rule(
    receiver: RunningReceiver, request_: Request, status: int, code: str
) -> None:
    with receiver.connect() as connection:
        assert connection.ask(request_).error == (status, code)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "sent", [chunk(BODY), chunk(BODY) + b"0\r\n"], ids=["before-the-last", "in-the-last"]
)
def test_t12_a_chunked_body_that_ends_early_is_refused_though_what_came_is_signed(
    receiver: RunningReceiver, sent: bytes
) -> None:
    with receiver.connect() as connection:
        connection.send(chunked(BODY, sent).wire())
        connection.socket.shutdown(socket.SHUT_WR)
        answer = connection.read()
    assert answer
    assert answer.error == (400, "body_incomplete")


@pytest.mark.usefixtures("untouched")
def test_t12_a_signature_in_a_trailer_signs_nothing(receiver: RunningReceiver) -> None:
    right = signed_header(BODY, timestamp=int(time.time())).encode()
    sent = chunk(BODY) + b"0\r\nStripe-Signature: " + right + b"\r\n\r\n"
    request = replace(chunked(BODY, sent), signature=UNSIGNED)
    assert receiver.ask(request).error == (400, "signature_invalid")


@pytest.mark.usefixtures("untouched")
def test_t12_chunks_of_http_1_0_are_refused(receiver: RunningReceiver) -> None:
    request = chunked(BODY, WHOLE).wire().replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n")
    assert receiver.ask(request).error == (400, "bad_request")
