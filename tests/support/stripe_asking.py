"""Our client of Stripe's API against the simulated one, in one event loop, with a rate limit that records its calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, TypeVar

from cogento.local.stripe.api import Api
from cogento.local.stripe.errors import Fault, Faults
from cogento.local.stripe.http_server import Handler, serving
from cogento.retries import SendSlot
from cogento.stripe.api import StripeApi
from tests.support.stripe_histories import START, STEPS_A_SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cogento.local.stripe.account import Account

KEY = "sk_test_simulated"
STEPS = 900
NOW = START + STEPS // STEPS_A_SECOND

T = TypeVar("T")


@dataclass
class RememberedRateLimit:
    """Gives a slot at once, and remembers what it was told; blocked, it gives none."""

    taken: int = 0
    slowed: list[float] = field(default_factory=list)
    shut_for: list[float] = field(default_factory=list)

    async def reserve(self) -> SendSlot:
        self.taken += 1
        return SendSlot(wait_seconds=0, blocked_seconds=self.shut_for[-1] if self.shut_for else 0)

    async def slow_down(self, *, wait_seconds: float) -> None:
        self.slowed.append(wait_seconds)

    async def block_for(self, *, seconds: float) -> None:
        self.shut_for.append(seconds)


class EverythingDelivered:
    """A record in which every webhook has arrived."""

    def is_pending(self, event_id: str) -> bool:  # noqa: ARG002 - the port's signature
        return False

    def has_failed(self, event_id: str) -> bool:  # noqa: ARG002 - as above
        return False


@dataclass(frozen=True)
class Asking:
    """A simulated account that is asked."""

    account: Account
    rate_limit: RememberedRateLimit = field(default_factory=RememberedRateLimit)

    def run(
        self, work: Callable[[StripeApi], Awaitable[T]], *troubles: Fault, timeout_seconds: float = 5
    ) -> T:
        """Run a coroutine function with an API whose Stripe has these troubles, and no jitter."""
        faults = Faults(Random(1))
        faults.replace(troubles)
        api = Api(self.account, EverythingDelivered(), faults, api_key=KEY, now=lambda: NOW)
        return asked(api.answer, work, self.rate_limit, timeout_seconds=timeout_seconds)


def asked(
    handler: Handler,
    work: Callable[[StripeApi], Awaitable[T]],
    rate_limit: RememberedRateLimit | None = None,
    *,
    timeout_seconds: float = 5,
) -> T:
    """Run a coroutine function with an API that asks this handler."""

    async def run() -> T:
        async with serving(handler) as url:
            api = StripeApi.connect(
                KEY,
                rate_limit or RememberedRateLimit(),
                base=url,
                timeout_seconds=timeout_seconds,
                jitter=lambda: 0,
            )
            try:
                return await work(api)
            finally:
                await api.close()

    return asyncio.run(run())
