"""Measures blocks of work: CPU time of this process and of others."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.ground import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OURS = "ours"


class Meter:
    """Adds up, block by block; `pids` are the processes to watch besides this one, by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._seconds = dict.fromkeys((*pids, OURS), 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count this block."""
        before = self._read()
        yield
        for name, now in self._read().items():
            self._seconds[name] += now - before[name]

    def us(self, events: int) -> dict[str, float]:
        """Microseconds for each of so many events."""
        return {name: seconds / events * 1e6 for name, seconds in self._seconds.items()}

    def _read(self) -> dict[str, float]:
        own = resource.getrusage(resource.RUSAGE_SELF)
        others = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        return {**others, OURS: own.ru_utime + own.ru_stime}
