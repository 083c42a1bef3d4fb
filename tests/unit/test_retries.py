"""How long to wait and when to give up, row by row of the retry table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogento.retries import POLICIES, FailureClass, next_delay, spent

DAY_SECONDS = 86_400
YEAR_SECONDS = 365 * DAY_SECONDS

failure_classes = st.sampled_from(FailureClass)
chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("failure_class", "longest_delays"),
    [
        (FailureClass.CONTENTION, [0.01, 0.02, 0.04, 0.08, 0.16]),
        (FailureClass.INFRASTRUCTURE, [0.5, 1, 2, 4, 8, 16, 30, 30]),
        (FailureClass.OTHER_RELEASE, [30, 30, 30]),
        (FailureClass.TRANSIENT, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (FailureClass.PERMANENT, [0]),
        (FailureClass.BUG, [1, 2, 4, 8, 16]),
        (FailureClass.CRASHED_WORKER, [0]),
    ],
)
def test_delays_double_from_the_base_up_to_the_cap(
    failure_class: FailureClass, longest_delays: list[float]
) -> None:
    delays = [next_delay(failure_class, n, jitter=1.0) for n in range(1, len(longest_delays) + 1)]

    assert delays == pytest.approx(longest_delays)


@pytest.mark.parametrize(
    ("failure_class", "attempts", "age_seconds"),
    [
        (FailureClass.CONTENTION, 5, 0),
        (FailureClass.TRANSIENT, 10, DAY_SECONDS),
        (FailureClass.TRANSIENT, 1000, DAY_SECONDS),
        (FailureClass.PERMANENT, 1, 0),
        (FailureClass.BUG, 5, 60),
        (FailureClass.CRASHED_WORKER, 4, 0),
    ],
)
def test_gives_up_at_the_limit(failure_class: FailureClass, attempts: int, age_seconds: float) -> None:
    assert spent(failure_class, attempts, age_seconds)


@pytest.mark.parametrize(
    ("failure_class", "attempts", "age_seconds"),
    [
        (FailureClass.CONTENTION, 4, YEAR_SECONDS),
        (FailureClass.INFRASTRUCTURE, 1_000_000, YEAR_SECONDS),
        (FailureClass.OTHER_RELEASE, 1_000_000, YEAR_SECONDS),
        (FailureClass.TRANSIENT, 9, YEAR_SECONDS),
        (FailureClass.TRANSIENT, 1000, DAY_SECONDS - 1),
        (FailureClass.BUG, 4, YEAR_SECONDS),
        (FailureClass.CRASHED_WORKER, 3, YEAR_SECONDS),
    ],
)
def test_tries_again_below_the_limit(failure_class: FailureClass, attempts: int, age_seconds: float) -> None:
    assert not spent(failure_class, attempts, age_seconds)


def test_every_class_has_a_policy() -> None:
    assert set(POLICIES) == set(FailureClass)


@given(failure_classes, st.integers(0, 10**9), chances)
def test_a_delay_lies_between_nothing_and_the_cap(
    failure_class: FailureClass, attempts: int, jitter: float
) -> None:
    assert 0 <= next_delay(failure_class, attempts, jitter=jitter) <= POLICIES[failure_class].cap_seconds


@given(failure_classes, st.integers(1, 100), chances, st.floats(0, 3600))
def test_a_delay_is_never_less_than_what_the_other_side_asked_for(
    failure_class: FailureClass, attempts: int, jitter: float, retry_after: float
) -> None:
    delay = next_delay(failure_class, attempts, jitter=jitter, retry_after=retry_after)

    assert delay >= retry_after
