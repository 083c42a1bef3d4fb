"""The heartbeat of a worker, sent by the loops that process events, so that a stuck worker falls silent.

It carries the counts since the last one, such as how long settled events had waited. Knows no Redis commands.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import structlog

from cogento.metrics.declarations import take_counted
from cogento.queue.delays import Delay, count
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.worker_registry import Heartbeat
from cogento.retries import INTERVALS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cogento.queue.claims import Settlement
    from cogento.queue.worker_registry import WorkerRegistry
    from worker.decode import DecodedBatch


log = structlog.get_logger()


class WorkerHeartbeat:
    """Sends a heartbeat when a loop looks for events and the last one is an interval ago; for any number of loops."""

    def __init__(
        self,
        heartbeats: WorkerRegistry,
        *,
        worker: str,
        version: str,
        shards: int,
        now_ms: Callable[[], Awaitable[int]],
        clock: Callable[[], float],
        account: str | None = None,
    ) -> None:
        self._heartbeats = heartbeats
        self._worker = worker
        self._version = version
        self._shards = shards
        self._now_ms = now_ms
        self._clock = clock
        self._account = account
        self._due = clock()
        self._started_ms: int | None = None
        self._took_ms: int | None = None
        self._delays: Counter[str] = Counter()

    async def beat(self) -> None:
        """Note that a loop looks for events; where Redis does not take the heartbeat, its delays and counts are lost.

        The loop looks for events all the same: with several masters, heartbeats and events may be kept on different ones.
        """
        if self._clock() < self._due:
            return
        self._due = self._clock() + INTERVALS.heartbeat_seconds
        counted, self._delays = self._delays + take_counted(self._account), Counter()
        try:
            self._started_ms = self._started_ms or await self._now_ms()
            await self._heartbeats.beat(
                Heartbeat(self._worker, self._version, self._started_ms, self._took_ms, self._shards), counted
            )
        except MailboxUnavailable as error:
            log.warning("heartbeat_failed", reason=str(error))

    async def settled(self, batches: Sequence[DecodedBatch], settlements: Sequence[Settlement]) -> None:
        """Count how long the events of a settled claim had waited."""
        now_ms = self._took_ms = await self._now_ms()
        done = {event_id for settlement in settlements for event_id in settlement.done}
        settled = [one for batch in batches for one in batch.deliveries if one.event.id in done]
        for source, some in groupby(
            settled, key=attrgetter("source")
        ):  # grouped as they come: nearly all are webhooks
            group = list(some)
            queued = ((now_ms - one.received_ms) / 1000 for one in group)
            count(self._delays, Delay.QUEUE, source, queued)
            happened = (now_ms / 1000 - one.event.created for one in group)
            count(self._delays, Delay.FRESHNESS, source, happened)

    async def stop(self) -> None:
        """Send the last delays and unregister; raises MailboxUnavailable where that fails."""
        self._due = self._clock()
        await self.beat()
        await self._heartbeats.unregister(self._worker)
