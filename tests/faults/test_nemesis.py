"""A few minutes of every fault at once; `python -m bench.nemesis --minutes 30` is the long run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bench.nemesis import run
from tests.support.stack import Size, running_cluster_stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.support.stack import Stack

MINUTES = 4


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("running", "rate"), [(running_stack, 300), (running_cluster_stack, 150)], ids=["one Redis", "a cluster"]
)
def test_minutes_of_random_faults_lose_nothing_and_disorder_nothing(
    running: Callable[..., AbstractContextManager[Stack]], rate: float
) -> None:
    seed = int(os.environ.get("SEED", "1"))
    print(f"SEED={seed}")  # noqa: T201 - a failure can be replayed with it
    with running(seed=seed, size=Size(rate=rate)) as stack:
        result = run(stack, minutes=MINUTES, seed=seed)

    print(result)  # noqa: T201 - which faults there were
    assert result["problems"] == []
    assert result["answered_2xx"] == result["events"]
