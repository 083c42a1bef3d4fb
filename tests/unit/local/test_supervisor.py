from __future__ import annotations

from cogento.local.supervisor import LONGEST_DELAY_SECONDS, restart_delay


def test_the_first_restart_comes_at_once_and_later_ones_ever_later() -> None:
    assert [restart_delay(short_lives) for short_lives in range(5)] == [0.0, 0.25, 0.5, 1.0, 2.0]


def test_a_restart_never_waits_longer_than_a_person_would() -> None:
    assert restart_delay(50) == LONGEST_DELAY_SECONDS
