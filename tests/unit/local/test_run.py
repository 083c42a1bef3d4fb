from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from cogento.local.run import SHUTDOWN_SIGNALS, ShutdownSignals

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _default_handlers() -> Iterator[None]:
    """The tests themselves may run under nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SHUTDOWN_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def killed() -> list[str]:
    return []


@pytest.mark.parametrize("asked", SHUTDOWN_SIGNALS)
def test_the_first_request_interrupts_and_the_next_ones_kill(
    asked: signal.Signals, killed: list[str]
) -> None:
    with ShutdownSignals(lambda: killed.append("kill")):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), asked)
        assert killed == []

        os.kill(os.getpid(), asked)

    assert killed == ["kill"]


def test_a_request_while_stopping_anyway_only_kills(killed: list[str]) -> None:
    with ShutdownSignals(lambda: killed.append("kill")) as signals:
        signals.stopping()

        os.kill(os.getpid(), signal.SIGTERM)

    assert killed == ["kill"]


def test_nohup_is_respected(killed: list[str]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with ShutdownSignals(lambda: killed.append("kill")):
        os.kill(os.getpid(), signal.SIGHUP)

    assert killed == []
