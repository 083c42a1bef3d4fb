from __future__ import annotations

import asyncio

import pytest

from cogento.retries import MAX_LINGER_MS
from worker.loop import BatchLinger, Wakeups

PATIENCE = 5


async def waited(wakeups: Wakeups) -> None:
    """Wait for a wake-up, which must come."""
    async with asyncio.timeout(PATIENCE):
        await wakeups.wait(2 * PATIENCE)


def test_a_wakeup_while_every_loop_is_busy_ends_the_next_wait() -> None:
    async def scenario() -> None:
        wakeups = Wakeups()
        wakeups.wake()
        await waited(wakeups)

    asyncio.run(scenario())


def test_wakeups_while_busy_end_one_wait() -> None:
    async def scenario() -> set[asyncio.Task[None]]:
        wakeups = Wakeups()
        wakeups.wake()
        wakeups.wake()
        await waited(wakeups)
        another = asyncio.create_task(wakeups.wait(PATIENCE))
        ended, _ = await asyncio.wait({another}, timeout=0.1)
        another.cancel()
        return ended

    assert asyncio.run(scenario()) == set()


def test_a_wakeup_ends_the_wait_of_one_loop() -> None:
    async def scenario() -> int:
        wakeups = Wakeups()
        waits = [asyncio.create_task(wakeups.wait(PATIENCE)) for _ in range(2)]
        await asyncio.sleep(0)
        wakeups.wake()
        done, idle = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in idle:
            one.cancel()
        return len(done)

    assert asyncio.run(scenario()) == 1


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def linger(clock: Clock) -> BatchLinger:
    return BatchLinger(clock=clock)


def test_the_first_claim_waits_for_nothing(linger: BatchLinger) -> None:
    assert linger.seconds_left() <= 0


def test_events_gather_for_longer_the_more_there_were(linger: BatchLinger) -> None:
    linger.claimed(50, is_full=False)

    assert linger.seconds_left() == pytest.approx(0.1)


def test_events_never_gather_for_long(linger: BatchLinger) -> None:
    linger.claimed(499, is_full=False)

    assert linger.seconds_left() == pytest.approx(MAX_LINGER_MS / 1000)


def test_the_time_that_a_batch_takes_counts(linger: BatchLinger, clock: Clock) -> None:
    linger.claimed(50, is_full=False)

    clock.now += 0.1

    assert linger.seconds_left() == pytest.approx(0)


def test_a_full_claim_is_followed_by_another_at_once(linger: BatchLinger) -> None:
    linger.claimed(500, is_full=True)

    assert linger.seconds_left() <= 0


def test_a_small_claim_of_one_loop_does_not_cut_the_other_ones_rest(linger: BatchLinger) -> None:
    linger.claimed(100, is_full=False)
    linger.claimed(1, is_full=False)

    assert linger.seconds_left() == pytest.approx(0.2)
