from __future__ import annotations

import pytest

from cogento.serving.crowd import Crowd, Stage


@pytest.fixture
def crowd() -> Crowd[str]:
    """Two connections at each stage, those of the last stage first."""
    crowd: Crowd[str] = Crowd()
    for stage in reversed(Stage):
        for age in ("older", "younger"):
            crowd.move(f"{age} {stage}", None, stage)
    return crowd


def test_who_loses_least_goes_first_and_of_those_the_oldest(crowd: Crowd[str]) -> None:
    gone = [_go(crowd, stage) for stage in Stage for _ in range(2)]
    assert gone == [f"{age} {stage}" for stage in Stage for age in ("older", "younger")]
    assert list(Stage) == ["refused", "head", "idle", "body"]


def _go(crowd: Crowd[str], stage: Stage) -> str | None:
    first = crowd.first_to_go()
    crowd.move(first or "", stage, None)
    return first


def test_who_is_at_work_makes_room_for_nobody(crowd: Crowd[str]) -> None:
    for stage in Stage:
        crowd.move(f"older {stage}", stage, None)
        crowd.move(f"younger {stage}", stage, None)
    assert crowd.first_to_go() is None


def test_who_comes_back_to_a_stage_is_its_youngest(crowd: Crowd[str]) -> None:
    crowd.move("older refused", Stage.REFUSED, None)
    crowd.move("older refused", None, Stage.REFUSED)
    assert crowd.first_to_go() == "younger refused"
