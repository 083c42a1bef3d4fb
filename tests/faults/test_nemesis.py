"""A few minutes of every fault at once; `python -m bench.nemesis --minutes 30` is the long run."""

from __future__ import annotations

import os

import pytest

from bench.nemesis import run
from tests.support.stack import Size, running_cluster_stack, running_stack

MINUTES = 4


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_minutes_of_random_faults_lose_nothing_and_disorder_nothing() -> None:
    seed = int(os.environ.get("SEED", "1"))
    print(f"SEED={seed}")  # noqa: T201 - a failure can be replayed with it
    with running_stack(seed=seed, size=Size(rate=300)) as stack:
        result = run(stack, minutes=MINUTES, seed=seed)

    print(result)  # noqa: T201 - which faults there were
    assert result["problems"] == []
    assert result["answered_2xx"] == result["events"]


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_minutes_of_random_faults_on_a_cluster_lose_nothing_and_disorder_nothing() -> None:
    seed = int(os.environ.get("SEED", "1"))
    print(f"SEED={seed}")  # noqa: T201 - a failure can be replayed with it
    with running_cluster_stack(seed=seed, size=Size(rate=150)) as stack:
        result = run(stack, minutes=MINUTES, seed=seed)

    print(result)  # noqa: T201 - which faults there were
    assert result["problems"] == []
    assert result["answered_2xx"] == result["events"]
