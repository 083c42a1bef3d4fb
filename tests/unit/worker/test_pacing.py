from __future__ import annotations

import pytest

from cogento.queue.mail import LONGEST_GATHERING_MS
from worker.pacing import Pacing


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
def pacing(clock: Clock) -> Pacing:
    return Pacing(clock=clock)


def test_the_first_claim_waits_for_nothing(pacing: Pacing) -> None:
    assert pacing.seconds_left() <= 0


def test_mail_gathers_for_longer_the_more_there_was(pacing: Pacing) -> None:
    pacing.claimed(50, is_full=False)

    assert pacing.seconds_left() == pytest.approx(0.1)


def test_mail_never_gathers_for_long(pacing: Pacing) -> None:
    pacing.claimed(499, is_full=False)

    assert pacing.seconds_left() == pytest.approx(LONGEST_GATHERING_MS / 1000)


def test_the_time_that_a_batch_takes_counts(pacing: Pacing, clock: Clock) -> None:
    pacing.claimed(50, is_full=False)

    clock.now += 0.1

    assert pacing.seconds_left() == pytest.approx(0)


def test_a_full_claim_is_followed_by_another_at_once(pacing: Pacing) -> None:
    pacing.claimed(500, is_full=True)

    assert pacing.seconds_left() <= 0


def test_a_small_claim_of_one_loop_does_not_cut_the_other_ones_rest(pacing: Pacing) -> None:
    pacing.claimed(100, is_full=False)
    pacing.claimed(1, is_full=False)

    assert pacing.seconds_left() == pytest.approx(0.2)
