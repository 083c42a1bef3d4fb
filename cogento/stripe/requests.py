"""One request to Stripe: within the shared rate limit, retried where that helps, and classified when it fails.

The only place that retries: the SDK's own retries are off, as they know neither the rate limit nor a 429 without further advice.
Knows paths and bytes; nothing of what they mean, nor of the SDK.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol

import structlog

from cogento.retries import REQUEST, FailureClass, SendSlot, next_delay
from cogento.stripe.errors import TOO_MANY, StripeApiError

log = structlog.get_logger()


class RawResponse(NamedTuple):
    """A response: JSON, and headers whose names are not case-sensitive."""

    body: bytes
    headers: Mapping[str, str]


Transport = Callable[[str, str, Mapping[str, Any]], Awaitable[RawResponse]]
"""One attempt at a request: method, path and parameters; raises StripeApiError."""


class RateLimit(Protocol):
    """The rate limit that all processes share; a port, implemented elsewhere. Each call is atomic."""

    async def reserve(self) -> SendSlot:
        """Reserve the next free slot."""

    async def slow_down(self, *, wait_seconds: float) -> None:
        """Halve the rate, which recovers slowly, and send nothing for `wait_seconds`: Stripe said "too many"."""

    async def block_for(self, *, seconds: float) -> None:
        """Send nothing at all for `seconds`: Stripe refuses the key."""


class Unlimited:
    """The RateLimit of a command that sends a handful of requests: it never waits, and ignores what it is told."""

    async def reserve(self) -> SendSlot:
        """As RateLimit.reserve."""
        return SendSlot(wait_seconds=0)

    async def slow_down(self, *, wait_seconds: float) -> None:
        """As RateLimit.slow_down."""

    async def block_for(self, *, seconds: float) -> None:
        """As RateLimit.block_for."""


@dataclass(frozen=True, slots=True)
class StripeAnswer:
    """The JSON that Stripe sent, and a second by its own clock: what it shows was true in that second or later."""

    body: bytes
    at: int


@dataclass(frozen=True, slots=True)
class DatedAnswer(StripeAnswer):
    """An answer with the second at which Stripe sent it, by its own clock.

    Stripe may have read the object as long before as the request took: by so many whole seconds `at` is earlier. The rest of a
    second is no harm, because an answer counts as later than an event only if it is so by more than two.
    """

    sent_at: int


class Requests:
    """Asks Stripe on behalf of one process; `jitter` is uniform in [0, 1), `clock` is monotonic."""

    def __init__(
        self,
        transport: Transport,
        limit: RateLimit,
        *,
        jitter: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._limit = limit
        self._jitter = jitter
        self._clock = clock

    async def get(self, path: str, **parameters: Any) -> DatedAnswer:
        """Send a GET, tried at most as often as REQUEST allows; raises StripeApiError."""
        return await self._send("get", path, parameters)

    async def post(self, path: str, *, idempotency_key: str, **parameters: Any) -> DatedAnswer:
        """Send a POST, which takes effect once however often it is tried (docs.stripe.com/api/idempotent_requests); otherwise as `get`."""
        return await self._send("post", path, {"idempotency_key": idempotency_key, **parameters})

    async def _send(self, method: str, path: str, parameters: Mapping[str, Any]) -> DatedAnswer:
        for attempt in range(1, REQUEST.attempts_limit):
            try:
                return await self._once(method, path, parameters)
            except StripeApiError as error:
                if not _may_pass(error):
                    raise
                asked = error.retry_after_seconds
                delay = next_delay(FailureClass.TRANSIENT, attempt, jitter=self._jitter(), retry_after=asked)
                await asyncio.sleep(delay)
        return await self._once(method, path, parameters)

    async def _once(self, method: str, path: str, parameters: Mapping[str, Any]) -> DatedAnswer:
        slot = await self._limit.reserve()
        if slot.blocked_seconds > 0:
            raise StripeApiError(
                "Stripe refused the key a moment ago",
                failure=FailureClass.INFRASTRUCTURE,
                refused_before=True,
            )
        await asyncio.sleep(slot.wait_seconds)
        asked = self._clock()
        try:
            response = await self._transport(method, path, parameters)
            took, sent_at = self._clock() - asked, _second(response.headers)
            return DatedAnswer(response.body, sent_at - int(took), sent_at)
        except StripeApiError as error:
            await self._apply_rate_limit(error, path)
            raise

    async def _apply_rate_limit(self, error: StripeApiError, path: str) -> None:
        """Slow down or block every process where the error concerns all of them."""
        if error.status == TOO_MANY:
            wait_seconds = min(
                error.retry_after_seconds or REQUEST.slow_down_seconds, REQUEST.longest_wait_seconds
            )
            log.warning("stripe_rate_limited", path=path, wait_seconds=wait_seconds)
            await self._limit.slow_down(wait_seconds=wait_seconds)
        if error.refuses_the_key:
            log.error(
                "stripe_key_refused", status=error.status, path=path, again_in_seconds=REQUEST.refused_seconds
            )
            await self._limit.block_for(seconds=REQUEST.refused_seconds)


def _may_pass(error: StripeApiError) -> bool:
    """Tell whether the same request may soon succeed; Stripe's own advice counts first."""
    if error.should_retry is not None:
        return error.should_retry
    if (error.retry_after_seconds or 0) > REQUEST.longest_wait_seconds:
        return False
    return error.failure is FailureClass.TRANSIENT


def _second(headers: Mapping[str, str]) -> int:
    """Read Stripe's clock, which gives an answer its place in the order; raises StripeApiError where a proxy has removed the date."""
    try:
        return int(parsedate_to_datetime(headers["date"]).timestamp())
    except (KeyError, ValueError) as error:
        raise StripeApiError("Stripe's answer has no date", failure=FailureClass.TRANSIENT) from error
