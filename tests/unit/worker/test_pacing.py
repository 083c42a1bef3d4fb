from __future__ import annotations

import pytest

from worker.pacing import LONGEST_SECONDS, rest


@pytest.mark.parametrize(
    ("events", "took_seconds", "expected"),
    [
        pytest.param(1, 0.005, 0.0, id="a single event is no reason to wait for others"),
        pytest.param(50, 0.03, 0.07, id="many may be followed by as many more"),
        pytest.param(50, 0.2, 0.0, id="a slow batch was rest enough"),
        pytest.param(400, 0.05, LONGEST_SECONDS - 0.05, id="nobody waits for long"),
    ],
)
def test_mail_gathers_for_longer_the_more_there_was(
    events: int, took_seconds: float, expected: float
) -> None:
    assert rest(events, took_seconds=took_seconds) == pytest.approx(expected)
