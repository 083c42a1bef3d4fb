"""Requests as bytes on a socket, so that tests can send what no client library would."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from cogento.local.ports import LOCALHOST
from tests.support.builders import SECRET, customer, event_body, signature

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT_SECONDS = 15
UNSIGNED = ""
SIGNED = "t={t},v1={v1}"
CHUNKED = "Transfer-Encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class HttpAnswer:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and error code."""
        return self.status, self.json["error"]["code"]

    @property
    def outcome(self) -> tuple[int, str]:
        """Status, and what became of the event."""
        return self.status, self.json["status"]


@dataclass(frozen=True)
class Request:
    """A webhook, right in every respect that a test does not change.

    `signature` is a template: `{t}` is the time, `{v1}` the right signature by `secret`, `{V1}` the same
    in upper case. It is filled in when the request is written, for the window is five minutes.
    """

    body: bytes = b""
    method: str = "POST"
    target: str = "/webhooks/stripe"
    content_type: str | None = "application/json; charset=utf-8"
    length: str | None = "{length}"
    headers: tuple[str, ...] = ()
    signature: str = SIGNED
    secret: str = SECRET
    age_seconds: int = 0
    signed_body: bytes | None = None

    def wire(self) -> bytes:
        """Write it down as it is sent."""
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: localhost", *self._headers()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body

    def _headers(self) -> Iterable[str]:
        if self.content_type is not None:
            yield f"Content-Type: {self.content_type}"
        if self.length is not None:
            yield f"Content-Length: {self.length.format(length=len(self.body))}"
        if self.signature != UNSIGNED:
            yield f"Stripe-Signature: {self._signature()}"
        yield from self.headers

    def _signature(self) -> str:
        timestamp = int(time.time()) - self.age_seconds
        signed = self.body if self.signed_body is None else self.signed_body
        v1 = signature(signed, timestamp=timestamp, secret=self.secret)
        return self.signature.format(t=timestamp, v1=v1, V1=v1.upper(), short=v1[:63])


def event_request(id_: str = "evt_1", **changes: Any) -> Request:
    """A signed `customer.updated`."""
    return replace(Request(event_body("customer.updated", customer(), id_=id_)), **changes)


def chunk(part: bytes, *, size: bytes = b"%x", behind: bytes = b"") -> bytes:
    """Write one chunk of a body; `behind` follows the size on its line."""
    return size % len(part) + behind + b"\r\n" + part + b"\r\n"


def chunked(body: bytes, sent: bytes, *headers: str, coding: str = CHUNKED) -> Request:
    """A request signed for `body` that is sent as these bytes."""
    return Request(sent, length=None, headers=(coding, *headers), signed_body=body)


class Connection:
    """One connection to the receiver."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOCALHOST, port), timeout=TIMEOUT_SECONDS)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send as much as the other end takes; it may answer and close before the end."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def ask(self, request: Request | bytes) -> HttpAnswer:
        """Send a request and return its answer."""
        self.send(request if isinstance(request, bytes) else request.wire())
        answer = self.read(with_body=not (isinstance(request, Request) and request.method == "HEAD"))
        assert answer is not None, "closed without an answer"
        return answer

    def read(self, *, with_body: bool = True) -> HttpAnswer | None:
        """Return the next answer, None when the connection ends without one."""
        head = self._until(b"\r\n\r\n")
        if not head:
            return None
        status_line, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"]) if with_body else 0
        return HttpAnswer(int(status_line.split()[1]), headers, self._exactly(length))

    def is_closed(self) -> bool:
        """Wait for the other end to close; False when it says something more."""
        return not self._unread and not self._receive()

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            if not (more := self._receive()):
                return b""
            self._unread += more
        found, _, self._unread = self._unread.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            more = self._receive()
            assert more, "closed in the middle of an answer"
            self._unread += more
        found, self._unread = self._unread[:count], self._unread[count:]
        return found

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65_536)
        except ConnectionError:
            return b""
