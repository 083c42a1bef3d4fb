"""What a worker does at intervals, beside its loops.

Knows intervals; knows nothing of the queue.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import structlog

from cogento.retries import INTERVALS
from worker import out_of_memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """Something that every worker does at intervals; it must be harmless when several do it at once.

    It may be cancelled anywhere: the next worker does what it had not committed.
    """

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[object]]

    async def repeat(self) -> NoReturn:
        """Run at once and then at its interval, until cancelled; after a failure it runs again sooner.

        It ends also where something below has lost the cancellation, as `asyncio.wait_for` of Python 3.11 may.
        """
        this = asyncio.current_task()
        while True:
            try:
                await self.run()
                pause = self.interval_seconds
            except MemoryError:
                out_of_memory.exit_now()
            except Exception as error:
                log.warning("periodic_task_failed", task=self.name, exc_info=error)
                pause = min(self.interval_seconds, INTERVALS.after_failure_seconds)
            if this is not None and this.cancelling():
                log.warning("cancellation_lost", task=self.name)
                raise asyncio.CancelledError
            await asyncio.sleep(pause)
