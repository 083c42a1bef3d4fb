"""Stripe's API within the rate limit that Redis keeps for all processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cogento.queue.rate_limiter import RateLimiter
from cogento.stripe.api import StripeApi
from cogento.stripe.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.settings import AskingSettings
    from cogento.store.refetches import RefetchTarget
    from cogento.stripe.requests import StripeAnswer


class Stripe:
    """Stripe's API and its rate limit; everything raises StripeApiError, and MailboxUnavailable."""

    def __init__(self, api: StripeApi, rate_limiter: RateLimiter) -> None:
        self.api = api
        self._rate_limiter = rate_limiter

    @classmethod
    def connect(cls, settings: AskingSettings, key: str, rate_limiter: RateLimiter) -> Stripe:
        """Make a process's access to Stripe; nothing is sent before it is needed."""
        api = StripeApi.connect(
            key,
            rate_limiter,
            base=settings.stripe_api_base,
            account=settings.stripe_account,
        )
        return cls(api, rate_limiter)

    async def close(self) -> None:
        """Close the connections."""
        await self.api.close()
        await self._rate_limiter.close()

    async def fetch(self, wanted: Sequence[RefetchTarget]) -> list[StripeAnswer | StripeApiError]:
        """Ask for objects, all at once; each has its answer or its error, in their order."""
        return await asyncio.gather(*(self._fetch_one(one) for one in wanted))

    async def _fetch_one(self, wanted: RefetchTarget) -> StripeAnswer | StripeApiError:
        try:
            return await self.api.fetch(wanted.kind, wanted.object_id)
        except StripeApiError as error:
            return error
