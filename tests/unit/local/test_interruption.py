from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from cogento.local.interruption import ASKING, Interruption

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _default_handlers() -> Iterator[None]:
    """The tests themselves may run under nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ASKING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def hurried() -> list[str]:
    return []


@pytest.mark.parametrize("asked", ASKING)
def test_the_first_request_interrupts_and_the_next_ones_hurry(
    asked: signal.Signals, hurried: list[str]
) -> None:
    with Interruption(lambda: hurried.append("hurry")):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), asked)
        assert hurried == []

        os.kill(os.getpid(), asked)

    assert hurried == ["hurry"]


def test_a_request_while_finishing_anyway_only_hurries(hurried: list[str]) -> None:
    with Interruption(lambda: hurried.append("hurry")) as interruption:
        interruption.finishing()

        os.kill(os.getpid(), signal.SIGTERM)

    assert hurried == ["hurry"]


def test_nohup_is_respected(hurried: list[str]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with Interruption(lambda: hurried.append("hurry")):
        os.kill(os.getpid(), signal.SIGHUP)

    assert hurried == []
