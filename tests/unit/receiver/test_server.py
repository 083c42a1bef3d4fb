"""What the server does by itself with a connection; the rest of it is tested as a whole process."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from cogento.reporting import ThrottledLog
from cogento.serving import connection, request_cycle
from receiver.fastpath.server import WebhookConnection
from receiver.fastpath.webhook import accelerated
from tests.support.builders import NOW, customer, event_body, signed_header
from tests.support.receiver_fakes import FakeMailbox, Receiver, SettableClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cogento.events.envelope import Envelope
    from cogento.queue.claims import Put

HEAD = b"POST /webhooks/stripe HTTP/1.1\r\nHost: receiver\r\n"
EMPTY = HEAD + b"Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def _new_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_throttled_log", ThrottledLog(SettableClock()))


class Client:
    """The other end of a connection that is served in this process."""

    def __init__(self, receiver: Receiver) -> None:
        self.config = Config(
            accelerated(receiver.parts),
            http=WebhookConnection,
            ws="none",
            lifespan="off",
            proxy_headers=False,
        )
        self.state = ServerState()
        self.socket, self._theirs = socket.socketpair()

    async def connect(self) -> WebhookConnection:
        loop = asyncio.get_running_loop()
        self.socket.settimeout(0)
        _, served = await loop.create_connection(
            lambda: WebhookConnection(self.config, self.state, {}), sock=self._theirs
        )
        return served

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read_all(self) -> bytes:
        """Return what is said until the other end has said everything."""
        said = b""
        while more := await asyncio.get_running_loop().sock_recv(self.socket, 65_536):
            said += more
        self.socket.close()
        return said


def said_to(
    converse: Callable[[Client], Awaitable[None]],
    *,
    connections: int = 0,
    receiver: Receiver | None = None,
) -> bytes:
    """Return what a client is told that speaks so, on a server with that many other connections."""
    client = Client(receiver or Receiver())
    client.state.connections.update(object() for _ in range(connections))  # type: ignore[misc]

    async def scenario() -> bytes:
        await client.connect()
        await converse(client)
        return await asyncio.wait_for(client.read_all(), 5)

    return asyncio.run(scenario())


def said_after(*parts: bytes, receiver: Receiver | None = None) -> bytes:
    """Return what a client is told that sends these and nothing more."""

    async def converse(client: Client) -> None:
        for part in parts:
            await client.send(part)
            await asyncio.sleep(0)
        client.socket.shutdown(socket.SHUT_WR)

    return said_to(converse, receiver=receiver)


def statuses(said: bytes) -> list[int]:
    return [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]


def error_code(said: bytes) -> str:
    code: str = json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"]
    return code


def test_what_is_no_http_is_answered_and_logged_without_a_quotation() -> None:
    with capture_logs() as lines:
        said = said_after(b"ada@example.com\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"connection: close\r\n" in said
    assert error_code(said) == "bad_request"
    assert b"ada@example.com" not in said
    assert lines == [
        {
            "event": "request_refused",
            "log_level": "warning",
            "count": 1,
            "code": "bad_request",
            "flaw": "HttpParserInvalidMethodError",
        }
    ]


def test_an_endless_header_is_refused_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_HEAD_BYTES", 1000)
    said = said_after(HEAD + b"X-Long: ", b"a" * 600, b"a" * 600)
    assert error_code(said) == "headers_too_large"


def test_a_head_that_takes_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.02)

    async def say_little(client: Client) -> None:
        await client.send(HEAD)

    assert said_to(say_little) == b""


def test_an_idle_connection_is_kept_past_the_time_for_a_head_and_then_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.02)
    monkeypatch.setattr(connection, "IDLE_SECONDS", 1)

    async def ask_twice(client: Client) -> None:
        await client.send(EMPTY)
        await asyncio.sleep(0.05)
        await client.send(EMPTY)

    assert statuses(said_to(ask_twice)) == [400, 400]


def test_a_head_that_takes_too_long_behind_an_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.02)

    async def begin_another(client: Client) -> None:
        await client.send(EMPTY)
        await asyncio.sleep(0.05)
        await client.send(HEAD)

    assert statuses(said_to(begin_another)) == [400]


def test_a_body_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_cycle, "READ_SECONDS", 0.02)

    async def say_little(client: Client) -> None:
        await client.send(HEAD + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{")

    said = said_to(say_little)
    assert statuses(said) == [408]
    assert error_code(said) == "body_too_slow"


def test_one_connection_too_many_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 2)

    async def say_nothing(_: Client) -> None:
        pass

    said = said_to(say_nothing, connections=2)
    assert said.startswith(b"HTTP/1.1 503 ")
    assert error_code(said) == "too_many_connections"


def test_rubbish_behind_a_request_does_not_overtake_its_answer() -> None:
    said = said_after(EMPTY + b"rubbish\r\n\r\n")
    assert statuses(said) == [400]
    assert error_code(said) == "signature_invalid"


def test_requests_in_one_go_are_answered_one_after_the_other() -> None:
    other = b"GET /healthz HTTP/1.1\r\nHost: receiver\r\n\r\n"
    assert statuses(said_after(EMPTY + other + EMPTY)) == [400, 200, 400]


def test_a_client_that_says_no_more_is_answered_all_the_same() -> None:
    assert error_code(said_after(EMPTY)) == "signature_invalid"


def test_a_body_that_is_refused_is_read_on_for_a_moment_and_the_connection_closed() -> None:
    body = event_body("customer.updated", customer())
    head = HEAD + b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    said = said_after(head + body[:10], body[10:] + EMPTY)
    assert b"connection: close\r\n" in said
    assert error_code(said) == "media_type_unsupported"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(EMPTY.replace(b"HTTP/1.1", b"HTTP/1.0"), id="http-1.0"),
        pytest.param(
            EMPTY.replace(b"HTTP/1.1", b"HTTP/1.0").replace(
                b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"
            ),
            id="http-1.0-that-asks-to-be-kept",
        ),
        pytest.param(EMPTY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), id="asked-to"),
    ],
)
def test_a_connection_that_is_not_to_be_kept_is_closed_and_the_answer_says_so(request_: bytes) -> None:
    async def ask_once(client: Client) -> None:
        await client.send(request_)

    assert b"\r\nconnection: close\r\n" in said_to(ask_once)


def test_a_body_is_called_for_when_its_client_waits_for_that() -> None:
    head = EMPTY.replace(b"Length: 0\r\n", b"Length: 2\r\nExpect: 100-continue\r\n")

    async def wait_for_the_call(client: Client) -> None:
        await client.send(head)
        called = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client.socket, 100), 5)
        assert called == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"{}")
        client.socket.shutdown(socket.SHUT_WR)

    assert error_code(said_to(wait_for_the_call)) == "signature_invalid"


def test_an_address_is_the_same_however_it_is_spelt() -> None:
    assert error_code(said_after(EMPTY.replace(b"stripe", b"%73tripe"))) == "signature_invalid"


def test_an_answer_to_head_has_no_body_even_when_it_is_a_mistake_of_ours() -> None:
    broken = Receiver(mailbox=FakeMailbox(failure=ZeroDivisionError()))
    said = said_after(b"HEAD /readyz HTTP/1.1\r\nHost: receiver\r\n\r\n", receiver=broken)
    assert statuses(said) == [500]
    assert said.endswith(b"\r\n\r\n")


class SilentMailbox(FakeMailbox):
    """Never answers."""

    async def put(self, envelope: Envelope) -> Put:
        await asyncio.get_running_loop().create_future()
        return await super().put(envelope)


def kept_of_a_flood(receiver: Receiver, first: bytes) -> tuple[int, int]:
    """How many requests, and bytes of answers, are kept of a client that sends without end and reads nothing."""
    client = Client(receiver)

    async def scenario() -> tuple[int, int]:
        connection = await client.connect()
        await client.send(first)
        with suppress(TimeoutError):
            for _ in range(100):  # more than all buffers between the two hold
                await asyncio.wait_for(client.send(300 * EMPTY), 1)
        kept = len(connection.pipeline), connection.transport.get_write_buffer_size()
        connection.transport.abort()
        client.socket.close()
        for task in client.state.tasks:
            task.cancel()
        await asyncio.gather(*client.state.tasks, return_exceptions=True)
        return kept

    return asyncio.run(scenario())


def test_answers_that_nobody_reads_are_not_written_without_end() -> None:
    requests, answer_bytes = kept_of_a_flood(Receiver(), EMPTY)
    assert requests <= connection.MAX_WAITING
    assert answer_bytes < 4 * HIGH_WATER_LIMIT


def test_requests_are_not_read_without_end_while_one_is_answered() -> None:
    body = event_body("customer.updated", customer())
    signature = signed_header(body, timestamp=NOW).encode()
    head = HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\nStripe-Signature: %b\r\n\r\n"
    requests, _ = kept_of_a_flood(Receiver(mailbox=SilentMailbox()), head % (len(body), signature) + body)
    assert 0 < requests <= connection.MAX_WAITING


def test_answers_that_nobody_reads_are_cut_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 0.02)
    client = Client(Receiver())

    async def scenario() -> None:
        await client.connect()
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            await asyncio.wait_for(send_without_end(client), 10)
        client.socket.close()
        await asyncio.gather(*client.state.tasks)

    asyncio.run(scenario())
    assert client.state.connections == set()


async def send_without_end(client: Client) -> None:
    while True:
        await client.send(300 * EMPTY)


def test_what_is_read_ahead_is_bounded_for_all_connections_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_UNPARSED_BYTES", 3 * len(EMPTY))
    said = said_after(50 * EMPTY)
    assert 1 <= len(statuses(said)) < 50
    assert said.count(b"connection: close") == 1


def test_the_longest_unfinished_body_is_cut_when_there_is_too_much_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MAX_BODIES_BYTES", 100_000)
    head = HEAD + b"Content-Type: application/json\r\nContent-Length: 200000\r\n\r\n"
    longer, shorter = Client(Receiver()), Client(Receiver())
    shorter.state = longer.state

    async def scenario() -> bytes:
        await longer.connect()
        kept = await shorter.connect()
        await longer.send(head + 80_000 * b"a")
        await shorter.send(head + 70_000 * b"a")
        said = await asyncio.wait_for(longer.read_all(), 5)
        assert kept.body_bytes == 70_000
        kept.transport.abort()
        shorter.socket.close()
        await asyncio.gather(*longer.state.tasks)
        return said

    assert asyncio.run(scenario()) == b""


def test_a_chunked_body_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_cycle, "READ_SECONDS", 0.02)

    async def say_little(client: Client) -> None:
        await client.send(
            HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"
        )

    assert error_code(said_to(say_little)) == "body_too_slow"


@pytest.mark.parametrize("wish", [b"websocket", b"h2c"])
def test_a_wish_for_another_protocol_is_passed_over(wish: bytes) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: " + wish + b"\r\n"
    said = said_after(EMPTY.replace(b"\r\n\r\n", b"\r\n" + upgrade + b"\r\n"))
    assert error_code(said) == "signature_invalid"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(HEAD + b"Expect: 200-ok\r\n\r\n", 417, id="other-expectation"),
        pytest.param(b"FOO /webhooks/stripe HTTP/1.1\r\n\r\n", 405, id="B1-other-method"),
        pytest.param(
            b"FOO /webhooks/stripe/eu_2?a HTTP/1.1\r\n\r\n", 405, id="B1-other-method-of-an-account"
        ),
        pytest.param(b"FOO /elsewhere HTTP/1.1\r\n\r\n", 400, id="B1-other-method-elsewhere"),
        pytest.param(b"CONNECT receiver:443 HTTP/1.1\r\n\r\n", 400, id="B1-tunnel"),
        pytest.param(b"GET /h\xc3\xa9 HTTP/1.1\r\n\r\n", 400, id="B19-not-ascii"),
        pytest.param(b"GET /healthz?\xc3\xa9 HTTP/1.1\r\n\r\n", 400, id="B19-query-not-ascii"),
    ],
)
def test_heads_that_break_a_rule_are_refused(request_: bytes, status: int) -> None:
    assert statuses(said_after(request_)) == [status]
