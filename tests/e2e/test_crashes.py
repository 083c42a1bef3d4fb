"""Ten seconds of load while one process after the other is killed: what was answered 2xx is not lost."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.whole_system import whole_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.sender import Verdict

LOAD_SECONDS = 10
RATE = "100"
VICTIMS = ("worker", "receiver", "valkey")
QUIET_SECONDS = 120


@pytest.fixture(scope="module")
def verdict() -> Iterator[Verdict]:
    seed = os.environ.get("SEED", "1")
    print(f"SEED={seed}")  # noqa: T201 - a failure can be replayed with it
    with whole_system("--simulate", "--rate", RATE, "--seed", seed) as system:
        until = time.monotonic() + LOAD_SECONDS
        for victim in itertools.takewhile(lambda _: time.monotonic() < until, itertools.cycle(VICTIMS)):
            system.kill(victim)
        system.sender.become_quiet(seconds=QUIET_SECONDS)
        yield system.check()


@pytest.mark.timeout(300)
def test_every_event_that_was_answered_2xx_is_accounted_for(verdict: Verdict) -> None:
    assert verdict.accepted > LOAD_SECONDS * 50
    assert verdict.accepted == verdict.events
    assert verdict.judgement.problems == ()


@pytest.mark.timeout(300)
def test_the_rows_equal_stripe_after_every_process_was_killed(verdict: Verdict) -> None:
    comparison = verdict.judgement.comparison
    assert comparison is not None
    assert comparison.differences == ()
    assert comparison.unsure_rows == 0
