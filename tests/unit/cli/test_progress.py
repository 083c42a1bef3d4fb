from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from cogento.cli.progress import StopSignal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """A shell starts what it puts in the background with Ctrl-C ignored, and the tests may be that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_being_asked_is_noted_and_ends_a_pause() -> None:
    with StopSignal() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        stopping.wait(60)
        assert stopping.is_requested


def test_being_asked_twice_ends_it_at_once() -> None:
    with StopSignal(), pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the second signal is the test
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_afterwards_ctrl_c_is_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignal() as stopping:
        assert not stopping.is_requested
    assert signal.getsignal(signal.SIGINT) is before
