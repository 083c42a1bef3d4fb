from __future__ import annotations

import pytest

from cogento.console.workers import describe_workers
from tests.support.figures import NOW_MS, worker, workforce


@pytest.mark.parametrize(
    ("versions", "idle_seconds", "said"),
    [
        ({}, None, "no worker"),
        ({"1.0": 1}, None, "1 worker (version 1.0), no mail settled yet"),
        ({"1.0": 2}, 3.0, "2 workers (version 1.0), mail settled 3 s ago"),
        ({"1.0": 1, "2.0": 2}, 0.2, "3 workers (1 of 1.0, 2 of 2.0), mail settled just now"),
    ],
)
def test_workers_are_told_in_a_line(versions: dict[str, int], idle_seconds: float, said: str) -> None:
    assert describe_workers(versions, idle_seconds) == said


def test_the_dead_are_not_counted_but_what_they_settled_last_is_remembered() -> None:
    seen = workforce(worker(0, took_ms=None), worker(1, is_alive=False, took_ms=NOW_MS - 9_000))
    assert (seen.alive, seen.idle_seconds) == (1, 9)
