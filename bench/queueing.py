"""A small discrete-event simulation: stations with servers, and what waits in line before them.

Time is a number and randomness is seeded, so that a run can be repeated. tests/unit/bench/test_queueing.py compares it with the
formulas for M/M/c and M/D/1. Knows nothing of what is simulated; that is bench/model.py.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

Action = Callable[[], None]


class Timeline:
    """The actions to come; those planned for the same moment happen in the order in which they were planned."""

    def __init__(self) -> None:
        self.now = 0.0
        self._planned: list[tuple[float, int, Action]] = []
        self._numbers = count()

    def after(self, seconds: float, action: Action) -> None:
        """Plan an action, `seconds` from now."""
        heapq.heappush(self._planned, (self.now + seconds, next(self._numbers), action))

    def run(self) -> None:
        """Run all actions, and those that they plan."""
        while self._planned:
            self.now, _, action = heapq.heappop(self._planned)
            action()


@dataclass(frozen=True, slots=True)
class _Job:
    seconds: float
    then: Action


class Station:
    """Some servers and one line before them: first come, first served."""

    def __init__(self, timeline: Timeline, *, servers: int) -> None:
        self.busy_seconds = 0.0
        self._timeline = timeline
        self._servers = servers
        self._free = servers
        self._line: deque[_Job] = deque()

    def serve(self, seconds: float, then: Action) -> None:
        """Stand in line, be served for so long, then go on."""
        self._line.append(_Job(seconds, then))
        self._begin()

    def busy_share(self) -> float:
        """Share of its servers' time that was spent serving."""
        return self.busy_seconds / (self._timeline.now * self._servers)

    def _begin(self) -> None:
        if self._free and self._line:
            job = self._line.popleft()
            self._free -= 1
            self.busy_seconds += job.seconds
            self._timeline.after(job.seconds, lambda: self._end(job))

    def _end(self, job: _Job) -> None:
        self._free += 1
        self._begin()
        job.then()


class Gathering:
    """One server that serves all who wait together: a fixed time for the round, and the time of each in it."""

    def __init__(self, timeline: Timeline, *, round_seconds: float) -> None:
        self.busy_seconds = 0.0
        self._timeline = timeline
        self._round_seconds = round_seconds
        self._waiting: list[_Job] = []
        self._is_busy = False

    def serve(self, seconds: float, then: Action) -> None:
        """Join the next round, then go on."""
        self._waiting.append(_Job(seconds, then))
        if not self._is_busy:
            self._begin()

    def busy_share(self) -> float:
        """Share of the time that was spent serving, without what each round takes by itself."""
        return self.busy_seconds / self._timeline.now

    def _begin(self) -> None:
        jobs, self._waiting = self._waiting, []
        self._is_busy = bool(jobs)
        if jobs:
            seconds = sum(job.seconds for job in jobs)
            self.busy_seconds += seconds
            self._timeline.after(self._round_seconds + seconds, lambda: self._end(jobs))

    def _end(self, jobs: Sequence[_Job]) -> None:
        self._begin()
        for job in jobs:
            job.then()


def arrive(timeline: Timeline, gaps: Iterator[float], arrival: Action) -> None:
    """Have something arrive after each of these gaps."""

    def come() -> None:
        arrival()
        plan()

    def plan() -> None:
        gap = next(gaps, None)
        if gap is not None:
            timeline.after(gap, come)

    plan()


def poisson(chance: Random, *, per_second: float, number: int) -> Iterator[float]:
    """Yield gaps between independent arrivals (a Poisson process)."""
    return (chance.expovariate(per_second) for _ in range(number))


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that this part of the values does not exceed."""
    return sorted(values)[int(part * (len(values) - 1))]
