"""The way to Stripe for threads: questions cross to the event loop, at the pace that Redis keeps for everybody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.queue.rate_limiter import RateLimiter
from cogento.stripe.api import StripeApi
from cogento.stripe.errors import StripeApiError
from cogento.stripe.requests import Grant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.events.names import EventId
    from cogento.settings import AskingSettings
    from cogento.store.refetches import RefetchTarget
    from cogento.stripe.api import Page
    from cogento.stripe.requests import StripeAnswer


class SharedRateLimit:
    """cogento.stripe.requests.RateLimit kept by cogento.queue.rate_limiter.RateLimiter, which blocks and so is called in threads."""

    def __init__(self, pace: RateLimiter) -> None:
        self._pace = pace

    async def reserve(self) -> Grant:
        """As RateLimit.reserve; raises MailboxUnavailable while Redis is away."""
        slot = await asyncio.to_thread(self._pace.reserve)
        return Grant(slot.wait_seconds, slot.blocked_seconds)

    async def slow_down(self, *, wait_seconds: float) -> None:
        """As RateLimit.slow_down."""
        await asyncio.to_thread(self._pace.slow_down, wait_seconds=wait_seconds)

    async def block_for(self, *, seconds: float) -> None:
        """As RateLimit.block_for."""
        await asyncio.to_thread(self._pace.block_for, seconds=seconds)


class Stripe:
    """StripeApi for threads; everything raises StripeApiError, and MailboxUnavailable."""

    def __init__(self, api: StripeApi, pace: RateLimiter) -> None:
        self.api = api
        """The same for coroutines of this process's loop."""
        self._pace = pace

    @classmethod
    def connect(cls, settings: AskingSettings, key: str, redis_url: str) -> Stripe:
        """Make the way to Stripe of a process; nothing is asked before it is needed."""
        pace = RateLimiter.connect(redis_url, requests_per_second=settings.stripe_requests_per_second)
        api = StripeApi.connect(
            key,
            SharedRateLimit(pace),
            base=settings.stripe_api_base,
            account=settings.stripe_account,
        )
        return cls(api, pace)

    def close(self) -> None:
        """Close the connections."""
        runtime.run(self.api.close())
        self._pace.close()

    def fetch(self, wanted: Sequence[RefetchTarget]) -> list[StripeAnswer | StripeApiError]:
        """Ask for objects, all at once; each has its answer or its error, in their order."""

        async def fetch_all() -> list[StripeAnswer | StripeApiError]:
            return await asyncio.gather(*(self._fetch_one(one) for one in wanted))

        return runtime.run(fetch_all())

    def event(self, event_id: EventId) -> StripeAnswer:
        """As StripeApi.event."""
        return runtime.run(self.api.event(event_id))

    def events(self, types: Sequence[str], *, since: int, before: int, after_id: str | None = None) -> Page:
        """As StripeApi.events."""
        return runtime.run(self.api.events(types, since=since, before=before, after_id=after_id))

    def now(self) -> int:
        """Ask what time it is by Stripe's clock, in Unix seconds; costs one request."""
        return runtime.run(self.api.now())

    async def _fetch_one(self, wanted: RefetchTarget) -> StripeAnswer | StripeApiError:
        try:
            return await self.api.fetch(wanted.kind, wanted.object_id)
        except StripeApiError as error:
            return error
