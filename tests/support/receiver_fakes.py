"""Fakes of the parts that the receiver is given, and a receiver made of them."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from cogento.accounts import WEBHOOK_PATH
from cogento.events.fence import Fence, Fenced
from cogento.local.ports import LOCALHOST
from cogento.queue.claims import Put, PutResult
from cogento.queue.group_commit import GroupCommit
from cogento.queue.wakeup import BackgroundWakeup
from cogento.reporting import ThrottledLog
from receiver.app import create_flask
from receiver.composition import ReceiverParts
from receiver.fastpath.webhook import accelerated
from receiver.intake import AcceptPolicy, Intake
from receiver.probes import Probes
from receiver.tally import FenceTally
from tests.support.builders import NOW, SECRET, signed_header
from tests.support.figures import queue_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.events.envelope import Envelope
    from cogento.events.names import EventId
    from cogento.queue.figures import KeptTables, QueueFigures

BASE_URL = "http://receiver"
served_by: ContextVar[str] = ContextVar("served_by", default="fastpath")
"""What answers a `Receiver`'s requests: `flask`, or the `fastpath` in front of it."""


@dataclass
class FakeMailbox(GroupCommit):
    """Keeps envelopes in memory, up to `room` of them, unless it is told to fail."""

    room: int = 100
    failure: Exception | None = None
    kept: dict[str, bytes] = field(default_factory=dict)
    tables: KeptTables | None = None

    async def put(self, envelope: Envelope) -> Put:
        if self.failure:
            raise self.failure
        if envelope.event_id in self.kept:
            same = self.kept[envelope.event_id] == envelope.body
            return Put(PutResult.DUPLICATE if same else PutResult.DUPLICATE_DIFFERS)
        if len(self.kept) >= self.room:
            return Put(PutResult.FULL)
        self.kept[envelope.event_id] = envelope.body
        return Put(PutResult.QUEUED, needs_wakeup=len(self.kept) == 1)

    async def probe(self) -> Mapping[str, str]:
        if self.failure:
            raise self.failure
        return {"ack_durability": "redis_fsync"}

    async def describe(self) -> Mapping[str, object]:
        return {"version": "9.1.0"}

    async def figures(self) -> Mapping[str | None, tuple[QueueFigures, KeptTables | None]]:
        if self.failure:
            raise self.failure
        return {None: (queue_figures(waiting=len(self.kept)), self.tables)}


@dataclass
class CountingWakeup(BackgroundWakeup):
    """Counts wake-ups."""

    sent: int = 0

    def send(self) -> None:
        self.sent += 1


@dataclass
class CountingTally(FenceTally):
    """Counts what the fence does."""

    events_let_in: int = 0
    kept_out: list[Fenced] = field(default_factory=list)
    bad_signatures: int = 0

    def let_in(self) -> None:
        self.events_let_in += 1

    def keep_out(self, reason: Fenced, event_id: EventId) -> None:  # noqa: ARG002 - as FenceTally
        self.kept_out.append(reason)

    def refuse_signature(self) -> None:
        self.bad_signatures += 1


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
    thin_secrets: tuple[str, ...] = ()
    can_ask: bool = False
    metrics_token: str | None = None
    mailbox: FakeMailbox = field(default_factory=FakeMailbox)
    wakeup: CountingWakeup = field(default_factory=CountingWakeup)
    clock: SettableClock = field(default_factory=SettableClock)
    tally: CountingTally = field(default_factory=CountingTally)

    @property
    def parts(self) -> ReceiverParts:
        policy = AcceptPolicy(
            tuple(secret.encode() for secret in self.secrets),
            Fence(self.livemode, self.account),
            thin_secrets=tuple(secret.encode() for secret in self.thin_secrets),
            can_ask=self.can_ask,
        )
        intake = Intake(policy, self.mailbox, self.wakeup, ThrottledLog(self.clock), self.tally, self.clock)
        return ReceiverParts({WEBHOOK_PATH: intake}, Probes(self.mailbox, self.metrics_token))

    def post(self, body: bytes, *, signature: str | None = None) -> httpx.Response:
        signature = signed_header(body, timestamp=NOW) if signature is None else signature
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}
        return self.ask("POST", "/webhooks/stripe", content=body, headers=headers)

    def get(self, path: str, *, caller: str = LOCALHOST, **headers: str | bytes) -> httpx.Response:
        return self.ask("GET", path, caller=caller, headers=headers)

    def ask(self, method: str, path: str, *, caller: str = LOCALHOST, **request: Any) -> httpx.Response:
        """Send one request, to Flask or over ASGI to the fast path in front of it."""
        parts = self.parts
        if served_by.get() == "flask":
            client = create_flask(lambda: parts, paths=[WEBHOOK_PATH]).test_client()
            said = client.open(
                path,
                method=method,
                data=request.get("content"),
                headers=[(name, _latin1(value)) for name, value in request.get("headers", {}).items()],
                environ_base={"REMOTE_ADDR": caller},
            )
            return httpx.Response(said.status_code, headers=list(said.headers), content=said.data)
        asgi = httpx.ASGITransport(accelerated(parts), client=(caller, 1))  # type: ignore[arg-type]

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=asgi, base_url=BASE_URL) as client:
                return await client.request(method, path, **request)

        return asyncio.run(ask())


def _latin1(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
