from __future__ import annotations

from cogento.local.supervisor import MAX_DELAY_SECONDS, restart_delay


def test_the_first_restart_comes_at_once_and_later_ones_ever_later() -> None:
    assert [restart_delay(early_exits) for early_exits in range(5)] == [0.0, 0.25, 0.5, 1.0, 2.0]


def test_a_restart_never_waits_longer_than_a_person_would() -> None:
    assert restart_delay(50) == MAX_DELAY_SECONDS
