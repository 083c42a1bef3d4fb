from __future__ import annotations

import os
import signal

import pytest

from console.stopping import Stopping


def test_being_asked_is_noted_and_ends_a_pause() -> None:
    with Stopping() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        stopping.pause(60)
        assert stopping.is_asked


def test_being_asked_twice_ends_it_at_once() -> None:
    with Stopping(), pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the second signal is the test
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_afterwards_ctrl_c_is_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Stopping() as stopping:
        assert not stopping.is_asked
    assert signal.getsignal(signal.SIGINT) is before
