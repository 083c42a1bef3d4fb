"""How webhooks go out: signed, out of order, more than once, and again until they are answered 2xx.

Stripe's behaviour on a time scale that can be compressed (docs.stripe.com/webhooks: at least once, in any order, retried with
exponential backoff). Knows bodies and an address, not what the bodies say.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cogento.cli.send import signature_header
from cogento.local.stripe.http_client import HttpConnection

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery attempt: `at` in Unix seconds, `status` 0 and an `error` when no answer came."""

    event_id: str
    at: float
    status: int
    error: str | None
    seconds: float

    @property
    def is_accepted(self) -> bool:
        """Whether the answer was 2xx; a redirect is a failure, as at Stripe."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


class DeliveryLog:
    """Every attempt in order, and what is known of each event."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.answers: Counter[str] = Counter()
        self.lost: set[str] = set()
        self._accepted: set[str] = set()
        self._refused: set[str] = set()

    def note(self, attempt: Attempt) -> None:
        """Record an attempt."""
        self.attempts.append(attempt)
        self.answers[str(attempt.status) if attempt.status else str(attempt.error)] += 1
        (self._accepted if attempt.is_accepted else self._refused).add(attempt.event_id)

    def note_lost(self, event_id: str) -> None:
        """Record that an event is never sent, as when an endpoint was off for longer than Stripe tries."""
        self.lost.add(event_id)

    def was_accepted(self, event_id: str) -> bool:
        """Whether the event was answered 2xx at least once."""
        return event_id in self._accepted

    def has_failed(self, event_id: str) -> bool:
        """Whether the event has failed or was lost, and has not been accepted since."""
        return event_id not in self._accepted and (event_id in self._refused or event_id in self.lost)

    @property
    def accepted_count(self) -> int:
        """How many events were answered 2xx."""
        return len(self._accepted)


_HEADERS = (
    "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
    "Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n"
    "Content-Type: application/json; charset=utf-8\r\nStripe-Signature: {signature}\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where webhooks go, and the secrets that sign them (several while one is rotated).

    Thin events go to the same URL, from a destination of their own and so with secrets of their own.
    """

    url: str
    secrets: tuple[str, ...]
    thin_secrets: tuple[str, ...] = ()
    timeout_seconds: float = 20
    connections: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Disorder:
    """How disordered deliveries are: shares of 1, times in seconds.

    Every delivery is delayed by up to `window_seconds`, which shuffles them; the late share by up to `late_seconds`. A duplicate
    goes out at the same moment or with a delay of its own; a lost event never does.
    """

    window_seconds: float = 1.0
    late_share: float = 0.01
    late_seconds: float = 30.0
    duplicate_share: float = 0.05
    lost_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryBackoff:
    """When a failed delivery is tried again: doubling with jitter, without end (Stripe: up to three days)."""

    first_seconds: float = 1.0
    cap_seconds: float = 15.0

    def delay_seconds(self, attempts: int, random: Random) -> float:
        """How long to wait after so many failed attempts."""
        delay = min(self.cap_seconds, self.first_seconds * 2.0 ** min(attempts - 1, 30))
        return delay * random.uniform(0.5, 1.5)


@dataclass(frozen=True, slots=True)
class _Delivery:
    event_id: str
    body: bytes
    secrets: tuple[str, ...]
    attempts: int = 0


class Deliveries:
    """The deliveries to one endpoint; `run` carries them out, the rest may be called while it does."""

    def __init__(
        self,
        endpoint: Endpoint,
        random: Random,
        *,
        disorder: Disorder | None = None,
        backoff: DeliveryBackoff | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.disorder = disorder or Disorder()
        self.backoff = backoff or DeliveryBackoff()
        self.log = DeliveryLog()
        self._random = random
        self._due: asyncio.Queue[_Delivery] = asyncio.Queue()
        self._outstanding: dict[str, int] = {}
        self._all_delivered = asyncio.Event()
        self._all_delivered.set()

    async def run(self) -> None:
        """Deliver what is due until cancelled."""
        async with asyncio.TaskGroup() as connections:
            for _ in range(self.endpoint.connections):
                connections.create_task(self._serve_one_connection())

    def send(self, event_id: str, body: bytes) -> None:
        """Schedule the deliveries of one event: none when it is lost, two when it is duplicated."""
        self._send(_Delivery(event_id, body, self.endpoint.secrets))

    def send_thin(self, event_id: str, body: bytes) -> None:
        """As `send`, for a thin event."""
        self._send(_Delivery(event_id, body, self.endpoint.thin_secrets))

    async def drain(self) -> None:
        """Wait until nothing is outstanding; what is sent meanwhile is waited for too."""
        await self._all_delivered.wait()

    def is_pending(self, event_id: str) -> bool:
        """Whether a delivery of the event is still to be made."""
        return event_id in self._outstanding

    def has_failed(self, event_id: str) -> bool:
        """Whether no delivery of the event has been accepted although one was due."""
        return self.log.has_failed(event_id)

    @property
    def outstanding_count(self) -> int:
        """How many deliveries are still to be made."""
        return sum(self._outstanding.values())

    def _send(self, delivery: _Delivery) -> None:
        if self._happens(self.disorder.lost_share):
            self.log.note_lost(delivery.event_id)
            return
        delay = self._stray_seconds()
        self._plan(delivery, delay)
        if self._happens(self.disorder.duplicate_share):
            self._plan(delivery, delay if self._happens(0.5) else self._stray_seconds())

    def _plan(self, delivery: _Delivery, delay_seconds: float) -> None:
        self._outstanding[delivery.event_id] = self._outstanding.get(delivery.event_id, 0) + 1
        self._all_delivered.clear()
        self._put_off(delivery, delay_seconds)

    def _put_off(self, delivery: _Delivery, delay_seconds: float) -> None:
        asyncio.get_running_loop().call_later(delay_seconds, self._due.put_nowait, delivery)

    async def _serve_one_connection(self) -> None:
        connection = HttpConnection(urlsplit(self.endpoint.url))
        try:
            while True:
                delivery = await self._due.get()
                attempt = await self._attempt(connection, delivery)
                self.log.note(attempt)
                self._settle(delivery, attempt)
        finally:
            connection.close()

    def _settle(self, delivery: _Delivery, attempt: Attempt) -> None:
        if not attempt.is_accepted:
            again = replace(delivery, attempts=delivery.attempts + 1)
            self._put_off(again, self.backoff.delay_seconds(again.attempts, self._random))
            return
        left = self._outstanding.pop(delivery.event_id) - 1
        if left:
            self._outstanding[delivery.event_id] = left
        if not self._outstanding:
            self._all_delivered.set()

    async def _attempt(self, connection: HttpConnection, delivery: _Delivery) -> Attempt:
        at, begun = time.time(), time.perf_counter()
        signature = signature_header(delivery.body, delivery.secrets, at=int(at))
        status, error = 0, None
        try:
            async with asyncio.timeout(self.endpoint.timeout_seconds):
                status = await connection.post(_HEADERS.format(signature=signature), delivery.body)
        except (OSError, EOFError) as failure:
            error = type(failure).__name__
        return Attempt(delivery.event_id, at, status, error, time.perf_counter() - begun)

    def _stray_seconds(self) -> float:
        if self._happens(self.disorder.late_share):
            return self._random.uniform(self.disorder.window_seconds, self.disorder.late_seconds)
        return self._random.uniform(0, self.disorder.window_seconds)

    def _happens(self, share: float) -> bool:
        return self._random.random() < share
