"""What a worker does at intervals: it looks for ready events without being woken, and does its upkeep.

Knows threads and intervals; knows nothing of the queue.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cogento.retries import INTERVALS
from worker import out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """Something that every worker does now and then; it must be harmless when several do it at once."""

    name: str
    interval_seconds: float
    run: Callable[[], object]


class PeriodicTasks:
    """Runs each task at its interval in a thread of its own, until stopped; one that failed runs again sooner."""

    def __init__(self, tasks: Sequence[PeriodicTask]) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(task,), name=task.name, daemon=True) for task in tasks
        ]

    def start(self) -> None:
        """Start every task; each runs once at once."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, timeout_seconds: float) -> bool:
        """Start no further run; False when one is still under way after `timeout_seconds`."""
        self._stopping.set()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _repeat(self, task: PeriodicTask) -> None:
        while not self._stopping.is_set():
            try:
                task.run()
                pause = task.interval_seconds
            except MemoryError:
                out_of_memory.exit_now()
            except Exception as error:
                log.warning("periodic_task_failed", task=task.name, exc_info=error)
                pause = min(task.interval_seconds, INTERVALS.after_failure_seconds)
            self._stopping.wait(pause)
