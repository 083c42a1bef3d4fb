"""The rate limit for requests to Stripe, shared by every process through Redis. Knows nothing of Stripe itself."""

from __future__ import annotations

from typing import NamedTuple

from cogento.accounts import DEFAULT_ACCOUNT
from cogento.queue import keys
from cogento.queue.clock import RedisClock
from cogento.queue.redis_client import RedisClient
from cogento.queue.redis_commands import Call
from cogento.retries import SendSlot

RECOVERY_SECONDS = 60
"""As in pace.lua: how long after a refusal the rate is full again."""


REFUSAL_SHOWN_MS = 90_000
"""How long a refusal is shown after its pause: by then a worker has asked again, and knows whether it still holds."""


class CurrentRate(NamedTuple):
    """How many requests a second there may be now, and for how long there may be none."""

    requests_per_second: float
    blocked_seconds: float


class RateLimiter:
    """At most so many requests a second, evenly spaced: the port cogento.stripe.requests.RateLimit; everything raises MailboxUnavailable."""

    def __init__(
        self,
        server: RedisClient,
        *,
        requests_per_second: float,
        clock: RedisClock | None = None,
        account: str = DEFAULT_ACCOUNT,
    ) -> None:
        self._server = server
        self._clock = clock or RedisClock(server)
        self._requests_per_second = requests_per_second
        self._tag = keys.first_tag(account)  # one limit for all shards: Stripe counts by account

    async def reserve(self) -> SendSlot:
        """Reserve the next free slot; it is gone, whether it is used or not."""
        wait_ms, shut_ms = await self._run("reserve")
        return SendSlot(wait_ms / 1000, shut_ms / 1000)

    async def slow_down(self, *, wait_seconds: float) -> None:
        """Halve the rate and hand out no slot for `wait_seconds`; the rate is full again a minute later."""
        await self._run("slow_down", wait_seconds)

    async def block_for(self, *, seconds: float) -> None:
        """Hand out no slot for `seconds`, and tell every caller so."""
        await self._run("block", seconds)

    async def current_rate(self) -> CurrentRate:
        """Return the present rate, without taking a slot; pace.lua has the same formula."""
        kept = await self._server.ask("HMGET", keys.pace_key(self._tag), "rate", "since", "shut")
        rate, since, shut = (None if value is None else float(value) for value in kept)
        now_ms, most = await self._clock.now_ms(), self._requests_per_second
        recovered = most * (now_ms - (since or 0)) / 1000 / RECOVERY_SECONDS
        slowed = most if rate is None else min(most, rate + recovered)
        return CurrentRate(slowed, max((shut or 0) - now_ms, 0) / 1000)

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    async def _run(self, what: str, seconds: float = 0) -> tuple[int, int]:
        arguments = (await self._clock.now_ms(), str(self._requests_per_second), what, int(seconds * 1000))
        (reply,) = await self._server.run(Call("pace", self._tag, arguments))
        return int(reply[0]), int(reply[1])


class KeyRefusal:
    """Whether Stripe refuses the key, by its last answer to any process; raises MailboxUnavailable."""

    def __init__(self, server: RedisClient, clock: RedisClock, tag: str) -> None:
        self._server = server
        self._clock = clock
        self._tag = tag

    async def is_recent(self) -> bool:
        """Return whether Stripe refused it until a moment ago; a key that is no longer used does not count as refused."""
        shut = await self._server.ask("HGET", keys.pace_key(self._tag), "shut")
        return shut is not None and await self._clock.now_ms() < float(shut) + REFUSAL_SHOWN_MS
