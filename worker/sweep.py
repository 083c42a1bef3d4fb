"""The worker's own look for ready mail, so that no doorbell message is needed for safety.

Also the clock for the worker's chores. Knows threads and intervals; knows nothing of mail.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from worker import shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger()

AGAIN_SECONDS = 60.0
"""After that a chore that failed is done again: what it waits for may have been away for a moment only."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something every worker does now and then; it must be harmless when several do it at once."""

    name: str
    interval_seconds: float
    do: Callable[[], object]


class Sweep:
    """Does each chore at its interval in a thread of its own, until stopped; one that failed sooner again."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(chore,), name=chore.name, daemon=True)
            for chore in chores
        ]

    def start(self) -> None:
        """Start every chore; each is done once at once."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, timeout_seconds: float) -> bool:
        """Begin no chore any more; False when one is still under way after `timeout_seconds`."""
        self._stopping.set()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _repeat(self, chore: Chore) -> None:
        while not self._stopping.is_set():
            try:
                chore.do()
                pause = chore.interval_seconds
            except MemoryError:
                shortage.end()
            except Exception as error:
                log.warning("periodic_task_failed", chore=chore.name, exc_info=error)
                pause = min(chore.interval_seconds, AGAIN_SECONDS)
            self._stopping.wait(pause)
