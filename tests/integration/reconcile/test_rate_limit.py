"""All processes together ask no more often than the rate limit allows, and slow down together."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.events.kinds import CUSTOMER
from cogento.events.names import CustomerId, ObjectId
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.queue.rate_limiter import RateLimiter
from cogento.queue.redis_client import connect
from cogento.reconcile.stripe import Stripe
from cogento.settings import AskingSettings
from cogento.store.refetches import RefetchTarget
from cogento.stripe.requests import StripeAnswer
from tests.support.looped import LoopedRateLimiter
from tests.support.servers import PATIENT_SECONDS
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.stripe.errors import StripeApiError

PER_SECOND = 20
EACH = 15


def way(stripe: SimulatedStripe, redis_url: str) -> Stripe:
    settings = {"stripe_api_base": stripe.url, "stripe_requests_per_second": PER_SECOND}
    limiter = RateLimiter(connect(redis_url, timeout_seconds=PATIENT_SECONDS), requests_per_second=PER_SECOND)
    return Stripe.connect(AskingSettings.model_validate(settings), KEY, limiter)


def customers(stripe: SimulatedStripe, count: int) -> list[RefetchTarget]:
    ids = [f"cus_{number}" for number in range(count)]
    for customer_id in ids:
        stripe.account.begin(stripe.customer(customer_id), at=START)
    return [RefetchTarget(CUSTOMER, ObjectId(one), CustomerId(one)) for one in ids]


def all_answered(answers: Sequence[StripeAnswer | StripeApiError]) -> bool:
    return all(isinstance(answer, StripeAnswer) for answer in answers)


def test_two_processes_share_one_rate_limit(stripe: SimulatedStripe, redis_url: str) -> None:
    wanted = customers(stripe, 2 * EACH)

    async def ask() -> tuple[list[StripeAnswer | StripeApiError], float]:
        one, other = way(stripe, redis_url), way(stripe, redis_url)
        began = time.monotonic()
        asked = await asyncio.gather(one.fetch(wanted[:EACH]), other.fetch(wanted[EACH:]))
        took = time.monotonic() - began
        await one.close()
        await other.close()
        return [*asked[0], *asked[1]], took

    answers, took = runtime.run(ask())

    assert all_answered(answers)
    assert took >= (2 * EACH - 1) / PER_SECOND


def test_f51_too_many_slows_the_other_processes_too(stripe: SimulatedStripe, redis_url: str) -> None:
    (wanted,) = customers(stripe, 1)
    stripe.trouble(Fault(kind=FaultKind.RATE_LIMITED, times=1))
    asking = way(stripe, redis_url)
    with closing(
        LoopedRateLimiter(
            RateLimiter(connect(redis_url, timeout_seconds=PATIENT_SECONDS), requests_per_second=PER_SECOND)
        )
    ) as other:
        answers = runtime.run(asking.fetch([wanted]))
        first, second = other.reserve().wait_seconds, other.reserve().wait_seconds
    runtime.run(asking.close())

    assert all_answered(answers)
    assert second - first > 1.5 / PER_SECOND
