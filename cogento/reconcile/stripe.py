"""Stripe's API within the rate limit that Redis keeps for all processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cogento.queue.rate_limiter import RateLimiter
from cogento.stripe.api import StripeApi
from cogento.stripe.errors import StripeApiError
from cogento.stripe.requests import Grant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.settings import AskingSettings
    from cogento.store.refetches import RefetchTarget
    from cogento.stripe.requests import StripeAnswer


class SharedRateLimit:
    """The port cogento.stripe.requests.RateLimit, implemented by cogento.queue.rate_limiter.RateLimiter."""

    def __init__(self, pace: RateLimiter) -> None:
        self._pace = pace

    async def reserve(self) -> Grant:
        """As RateLimit.reserve; raises MailboxUnavailable while Redis is away."""
        slot = await self._pace.reserve()
        return Grant(slot.wait_seconds, slot.blocked_seconds)

    async def slow_down(self, *, wait_seconds: float) -> None:
        """As RateLimit.slow_down."""
        await self._pace.slow_down(wait_seconds=wait_seconds)

    async def block_for(self, *, seconds: float) -> None:
        """As RateLimit.block_for."""
        await self._pace.block_for(seconds=seconds)


class Stripe:
    """Stripe's API and its rate limit; everything raises StripeApiError, and MailboxUnavailable."""

    def __init__(self, api: StripeApi, pace: RateLimiter) -> None:
        self.api = api
        self._pace = pace

    @classmethod
    def connect(cls, settings: AskingSettings, key: str, pace: RateLimiter) -> Stripe:
        """Make a process's access to Stripe; nothing is sent before it is needed."""
        api = StripeApi.connect(
            key,
            SharedRateLimit(pace),
            base=settings.stripe_api_base,
            account=settings.stripe_account,
        )
        return cls(api, pace)

    async def close(self) -> None:
        """Close the connections."""
        await self.api.close()
        await self._pace.close()

    async def fetch(self, wanted: Sequence[RefetchTarget]) -> list[StripeAnswer | StripeApiError]:
        """Ask for objects, all at once; each has its answer or its error, in their order."""
        return await asyncio.gather(*(self._fetch_one(one) for one in wanted))

    async def _fetch_one(self, wanted: RefetchTarget) -> StripeAnswer | StripeApiError:
        try:
            return await self.api.fetch(wanted.kind, wanted.object_id)
        except StripeApiError as error:
            return error
