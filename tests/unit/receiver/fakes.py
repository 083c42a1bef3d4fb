"""Stand-ins for what the receiver is given, and a receiver made of them."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from mailboxes.mail import Put, PutResult
from receiver.alarms import Alarms
from receiver.app import create_app
from receiver.intake import Expected, Intake
from tests.builders import NOW, SECRET, signed_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Flask

    from events.envelope import Envelope


@dataclass
class FakeMailbox:
    """Keeps envelopes in memory, up to `room` of them, unless it is told to fail."""

    room: int = 100
    failure: Exception | None = None
    kept: dict[str, bytes] = field(default_factory=dict)

    def put(self, envelope: Envelope) -> Put:
        if self.failure:
            raise self.failure
        if envelope.event_id in self.kept:
            same = self.kept[envelope.event_id] == envelope.body
            return Put(PutResult.DUPLICATE if same else PutResult.DUPLICATE_DIFFERS)
        if len(self.kept) >= self.room:
            return Put(PutResult.FULL)
        self.kept[envelope.event_id] = envelope.body
        return Put(PutResult.QUEUED, ring=len(self.kept) == 1)

    def probe(self) -> str:
        if self.failure:
            raise self.failure
        return "redis_fsync"

    def describe(self) -> Mapping[str, object]:
        return {"version": "9.1.0"}


@dataclass
class CountingBell:
    """Counts its rings."""

    rings: int = 0

    def ring(self) -> None:
        self.rings += 1


@dataclass
class SettableClock:
    """A clock that a test sets."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Receiver:
    """The application with fakes around it; `post` signs unless a header is given."""

    livemode: bool = False
    account: str | None = None
    secrets: tuple[str, ...] = (SECRET,)
    metrics_token: str | None = None
    mailbox: FakeMailbox = field(default_factory=FakeMailbox)
    bell: CountingBell = field(default_factory=CountingBell)
    clock: SettableClock = field(default_factory=SettableClock)

    @property
    def app(self) -> Flask:
        expected = Expected(tuple(secret.encode() for secret in self.secrets), self.livemode, self.account)
        return create_app(
            Intake(expected, self.mailbox, self.bell, Alarms(self.clock), self.clock),
            readiness=self.mailbox,
            time_limit=no_limit,
            metrics_token=self.metrics_token,
        )

    def post(self, body: bytes, *, signature: str | None = None, **environ: Any) -> TestResponse:
        signature = signed_header(body, timestamp=NOW) if signature is None else signature
        return self.call(
            {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": "/webhooks/stripe",
                "CONTENT_TYPE": "application/json; charset=utf-8",
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_STRIPE_SIGNATURE": signature,
                "wsgi.input": io.BytesIO(body),
                **environ,
            }
        )

    def get(self, path: str, **environ: Any) -> TestResponse:
        path, _, query = path.partition("?")
        return self.call({"PATH_INFO": path, "QUERY_STRING": query, "REMOTE_ADDR": "127.0.0.1", **environ})

    def call(self, environ: dict[str, Any]) -> TestResponse:
        """Call the application with exactly these variables; None removes one."""
        whole = {**EnvironBuilder().get_environ(), **environ}
        given = {name: value for name, value in whole.items() if value is not None}
        return TestResponse(*run_wsgi_app(self.app, given), request=EnvironBuilder().get_request())


@contextlib.contextmanager
def no_limit(_seconds: float) -> Iterator[None]:
    yield


@contextlib.contextmanager
def no_time_left(_seconds: float) -> Iterator[None]:
    raise TimeoutError
    yield
