"""What a block of work takes: CPU time of this process and of others, and how long they waited for a core."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.ground import cpu_seconds
from tests.servers import processes_under

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OURS = "ours"


def queued_seconds(pid: int) -> float:
    """How long a process, its descendants and all their threads have waited for a core so far."""
    return sum(_queued_seconds(one) for one in processes_under(pid))


def _queued_seconds(pid: int) -> float:
    threads = (Path("/proc") / str(pid) / "task").glob("*/schedstat")
    try:
        return sum(int(thread.read_text().split()[1]) for thread in threads) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


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
