"""Everything is killed again and again, servers and all; once it is quiet, nothing is lost or out of order."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.stack import Size, running_stack

if TYPE_CHECKING:
    from tests.support.sender import Verdict
    from tests.support.servers import Running
    from tests.support.stack import Stack

QUIET_SECONDS = 120


def kill_everything_for(seconds: float, *, rate: float) -> Verdict:
    """Kill every process at once, every one to three seconds, while Stripe sends."""
    seed = int(os.environ.get("SEED", "1"))
    print(f"SEED={seed}")  # noqa: T201 - a failure can be replayed with it
    chance = random.Random(seed)
    with running_stack(seed=seed, size=Size(rate=rate)) as stack:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(chance.uniform(1, 3))
            crash(stack)
        stack.sender.become_quiet(seconds=QUIET_SECONDS)
        return stack.check()


def crash(stack: Stack) -> None:
    """The servers come back first, for they hold their files' locks; nobody waits for the others."""
    everything: list[Running[Any]] = [stack.postgres, stack.valkey, *stack.ours]
    for one in everything:
        one.kill()
    for one in everything:
        one.launch()


@pytest.mark.timeout(300)
def test_f60_a_crash_loop_of_everything_loses_nothing() -> None:
    verdict = kill_everything_for(10, rate=50)

    assert verdict.accepted == verdict.events > 0
    assert verdict.judgement.problems == ()


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_f60_a_minute_of_crashes_of_everything_loses_nothing() -> None:
    verdict = kill_everything_for(60, rate=300)

    assert verdict.accepted == verdict.events > 0
    assert verdict.judgement.problems == ()
