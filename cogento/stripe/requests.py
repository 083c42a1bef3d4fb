"""One question to Stripe: in its turn, tried again where that helps, its failure named.

The only place that tries again: the SDK's own retries are off, as they know neither the budget nor a bare
429. Knows paths and bytes; nothing of what they mean, nor of the SDK.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog

from cogento.events.retry import FailureClass, next_delay
from cogento.stripe.errors import TOO_MANY, StripeApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cogento.stripe.budget import Budget

log = structlog.get_logger()

ATTEMPTS = 4
LONGEST_WAIT_SECONDS = 60.0
"""Who is told to wait longer is told so at once, and asks again some other time."""

SLOW_DOWN_SECONDS = 1.0
"""How long nobody asks after a 429 that does not say for how long."""

REFUSED_SECONDS = 60.0
"""How long nobody asks after the key was refused: nothing but a person can help."""


class Response(NamedTuple):
    """What came back: JSON, and headers whose names are read in any case."""

    body: bytes
    headers: Mapping[str, str]


class Transport(Protocol):
    """One attempt at a GET."""

    async def get(self, path: str, parameters: Mapping[str, Any]) -> Response:
        """Ask once; raises StripeApiError."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON that Stripe sent, and the second at which it did so, by its own clock."""

    body: bytes
    at: int


class Requests:
    """Asks Stripe on behalf of one process; `jitter` is uniform in [0, 1)."""

    def __init__(self, transport: Transport, budget: Budget, *, jitter: Callable[[], float]) -> None:
        self._transport = transport
        self._budget = budget
        self._jitter = jitter

    async def get(self, path: str, **parameters: Any) -> Answer:
        """Ask, at most ATTEMPTS times; raises StripeApiError."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._once(path, parameters)
            except StripeApiError as error:
                if not _may_pass(error):
                    raise
                await asyncio.sleep(self._delay(attempt, error))
        return await self._once(path, parameters)

    async def _once(self, path: str, parameters: dict[str, Any]) -> Answer:
        await self._await_turn()
        try:
            response = await self._transport.get(path, parameters)
            return Answer(response.body, _second(response.headers))
        except StripeApiError as error:
            await self._heed(error, path)
            raise

    async def _await_turn(self) -> None:
        grant = await self._budget.take()
        if grant.refused_seconds > 0:
            raise StripeApiError("Stripe refused the key a moment ago", failure=FailureClass.INFRASTRUCTURE)
        await asyncio.sleep(grant.wait_seconds)

    async def _heed(self, error: StripeApiError, path: str) -> None:
        """Tell everybody what concerns everybody."""
        if error.status == TOO_MANY:
            wait_seconds = min(error.retry_after_seconds or SLOW_DOWN_SECONDS, LONGEST_WAIT_SECONDS)
            log.warning("stripe_rate_limited", path=path, wait_seconds=wait_seconds)
            await self._budget.slow_down(wait_seconds=wait_seconds)
        if error.refuses_the_key:
            log.error("stripe_key_refused", status=error.status, path=path, again_in_seconds=REFUSED_SECONDS)
            await self._budget.shut(seconds=REFUSED_SECONDS)

    def _delay(self, attempt: int, error: StripeApiError) -> float:
        return next_delay(
            FailureClass.TRANSIENT, attempt, jitter=self._jitter(), retry_after=error.retry_after_seconds
        )


def _may_pass(error: StripeApiError) -> bool:
    """Tell whether the same question may soon be answered; what Stripe says of it counts first."""
    if error.should_retry is not None:
        return error.should_retry
    if (error.retry_after_seconds or 0) > LONGEST_WAIT_SECONDS:
        return False
    return error.failure is FailureClass.TRANSIENT


def _second(headers: Mapping[str, str]) -> int:
    """Read Stripe's clock; a proxy that takes the date away leaves an answer without its place in order."""
    try:
        return int(parsedate_to_datetime(headers["date"]).timestamp())
    except (KeyError, ValueError) as error:
        raise StripeApiError("Stripe's answer has no date", failure=FailureClass.TRANSIENT) from error
