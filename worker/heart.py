"""The heartbeat of a worker: told by the loops that take work, so that a stuck worker falls silent.

Beside it go the delays of what was settled since the last beat. Knows no Redis commands.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from cogento.queue.delays import Delay, count
from cogento.queue.heartbeats import BEAT_SECONDS, Beat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cogento.queue.mail import Settlement
    from worker.opening import OpenedMail


class Heartbeats(Protocol):
    """Whom a worker tells."""

    def beat(self, beat: Beat, delays: Mapping[str, int]) -> object:
        """Note that a worker takes work, and how long events waited."""

    def leave(self, worker: str) -> None:
        """Forget a worker that stops."""


class Heart:
    """Beats when a loop looks for work and the last beat is BEAT_SECONDS ago; for any number of loops."""

    def __init__(
        self,
        heartbeats: Heartbeats,
        *,
        worker: str,
        version: str,
        now_ms: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._heartbeats = heartbeats
        self._worker = worker
        self._version = version
        self._now_ms = now_ms
        self._clock = clock
        self._due = clock()
        self._started_ms: int | None = None
        self._took_ms: int | None = None
        self._delays: Counter[str] = Counter()
        self._changing = threading.Lock()

    def beat(self) -> None:
        """Say that this loop looks for work; raises MailboxUnavailable, and then what it had to say is lost."""
        with self._changing:
            if self._clock() < self._due:
                return
            self._due = self._clock() + BEAT_SECONDS
            delays, self._delays = self._delays, Counter()
        self._started_ms = self._started_ms or self._now_ms()
        self._heartbeats.beat(Beat(self._worker, self._version, self._started_ms, self._took_ms), delays)

    def settled(self, opened: Sequence[OpenedMail], settlements: Sequence[Settlement]) -> None:
        """Take down a turn, and how long its events had waited; `settlements` in the order of `opened`."""
        now_ms = self._took_ms = self._now_ms()
        delays: Counter[str] = Counter()
        for mail, settlement in zip(opened, settlements, strict=True):
            done = frozenset(settlement.done)
            for delivery in mail.deliveries:
                if delivery.event.id in done:
                    source = delivery.source
                    count(delays, Delay.QUEUE, source, (now_ms - delivery.received_ms) / 1000)
                    count(delays, Delay.FRESHNESS, source, now_ms / 1000 - delivery.event.created)
        with self._changing:
            self._delays += delays

    def stop(self) -> None:
        """Tell what is left to tell, and be forgotten; raises MailboxUnavailable."""
        with self._changing:
            self._due = self._clock()
        self.beat()
        self._heartbeats.leave(self._worker)
