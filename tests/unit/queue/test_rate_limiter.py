"""When Stripe may be asked: the rate limit that all processes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.queue.rate_limiter import RateLimiter
from cogento.retries import SendSlot
from tests.support.fake_redis import client_on
from tests.support.looped import LoopedRateLimiter

if TYPE_CHECKING:
    import fakeredis

    from tests.support.mailbox_builders import ManualClock


@pytest.fixture
def limiter(client: fakeredis.FakeRedis, clock: ManualClock) -> LoopedRateLimiter:
    return LoopedRateLimiter(RateLimiter(client_on(client), requests_per_second=20, clock=clock))


def waits(limiter: LoopedRateLimiter, count: int) -> list[float]:
    return [limiter.reserve().wait_seconds for _ in range(count)]


def test_requests_are_spaced_evenly(limiter: LoopedRateLimiter) -> None:
    assert waits(limiter, 4) == [0, 0.053, 0.105, 0.158]


def test_no_second_holds_more_than_it_may_though_requests_arrive_a_little_late(
    limiter: LoopedRateLimiter,
) -> None:
    leave = waits(limiter, 60)
    late = [at + 0.04 if number % 21 == 0 else at for number, at in enumerate(leave)]
    assert max(sum(start <= at < start + 1 for at in late) for start in late) <= 20


def test_two_processes_share_one_pace(
    limiter: LoopedRateLimiter, client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    other = LoopedRateLimiter(RateLimiter(client_on(client), requests_per_second=20, clock=clock))

    assert [limiter.reserve().wait_seconds, other.reserve().wait_seconds, limiter.reserve().wait_seconds] == [
        0,
        0.053,
        0.105,
    ]


def test_moments_that_passed_unused_are_not_made_up_for(
    limiter: LoopedRateLimiter, clock: ManualClock
) -> None:
    limiter.reserve()
    clock.ms += 10_000

    assert waits(limiter, 2) == [0, 0.053]


def test_after_too_many_nobody_asks_until_stripe_says_and_then_half_as_often(
    limiter: LoopedRateLimiter,
) -> None:
    limiter.slow_down(wait_seconds=2)

    assert waits(limiter, 3) == [2, 2.105, 2.21]


def test_one_limit_met_by_many_halves_once(limiter: LoopedRateLimiter) -> None:
    limiter.slow_down(wait_seconds=1)
    limiter.slow_down(wait_seconds=1)

    assert waits(limiter, 2) == [1, 1.105]


def test_the_rate_comes_back_within_a_minute(limiter: LoopedRateLimiter, clock: ManualClock) -> None:
    limiter.slow_down(wait_seconds=1)
    clock.ms += 15_000
    midway = waits(limiter, 2)
    clock.ms += 45_000

    assert midway == [0, 0.07]
    assert waits(limiter, 2) == [0, 0.053]


def test_the_rate_never_falls_below_one_a_second(limiter: LoopedRateLimiter, clock: ManualClock) -> None:
    for _ in range(10):
        limiter.slow_down(wait_seconds=0)
        clock.ms += 1001

    limiter.slow_down(wait_seconds=0)

    first, second = waits(limiter, 2)
    assert second - first <= 1.05


def test_nobody_asks_while_the_key_is_refused(limiter: LoopedRateLimiter, clock: ManualClock) -> None:
    limiter.block_for(seconds=60)

    assert limiter.reserve() == SendSlot(wait_seconds=0, blocked_seconds=60)
    clock.ms += 60_000
    assert limiter.reserve() == SendSlot(wait_seconds=0, blocked_seconds=0)
