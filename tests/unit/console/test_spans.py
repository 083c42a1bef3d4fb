from __future__ import annotations

import pytest

from cogento.console.spans import ago, duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 ms"),
        (0.0304, "30 ms"),
        (1, "1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (200_000, "2 d"),
    ],
)
def test_span_is_told_in_the_largest_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_less_than_a_second_ago_is_just_now() -> None:
    assert (ago(0.4), ago(5)) == ("just now", "5 s ago")
