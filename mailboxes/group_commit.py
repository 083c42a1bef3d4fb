"""Group commit: callers that put at the same time share one script call, and so one fsync.

No thread of its own and no timer: whoever finds nobody at work puts at once, for all who wait. While it
does, others gather; when it is done, the first of them puts for all of those. Idle costs no delay, and
under load batches form by themselves. Works with threads and with greenlets. Knows no Redis.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from mailboxes.errors import MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from events.envelope import Envelope
    from mailboxes.mail import Put

MOST_WAITING = 4096
MOST_TOGETHER = 1000
MOST_BYTES_TOGETHER = 4 * 1024**2


class Mailboxes(Protocol):
    """What group commit puts into."""

    def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        """Put all of these durably, or raise."""

    def longest_put_seconds(self) -> float:
        """Return how long a put may take before it raises."""


class _Seat:
    """One caller and its envelope; `called` is set once it has an answer or shall lead."""

    __slots__ = ("called", "envelope", "failure", "leads", "put", "waits")

    def __init__(self, envelope: Envelope) -> None:
        self.envelope = envelope
        self.called = threading.Event()
        self.waits = True  # in the queue; guarded by the lock, as `leads` is
        self.leads = False
        self.put: Put | None = None
        self.failure: Exception | None = None

    def answer(self) -> Put:
        if self.put is not None:
            return self.put
        if self.failure is not None and not isinstance(self.failure, MailboxUnavailable):
            raise self.failure
        # A new error for each caller: one that is raised by several threads mixes their tracebacks.
        raise MailboxUnavailable(str(self.failure or "no answer in time")) from self.failure


class GroupCommit:
    """Puts single envelopes together with those of concurrent callers.

    When the shared call fails, all its callers fail, and nobody else does. At most MOST_WAITING callers
    wait, each no longer than for two puts: one under way and its own.
    """

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._start_empty()
        os.register_at_fork(after_in_child=self._start_empty)

    def put(self, envelope: Envelope) -> Put:
        """Put one envelope; durable when this returns.

        Raises MailboxUnavailable when it was not, or perhaps not, stored: trying again is safe.
        """
        longest = self._mailboxes.longest_put_seconds()
        deadline = time.monotonic() + 2 * longest
        seat = self._sit_down(envelope)
        try:
            if not seat.leads:
                seat.called.wait(2 * longest)
            if seat.leads and time.monotonic() + longest <= deadline:
                time.sleep(0)  # whoever is ready now sits down too: a quarter less work an event at 8 clients
                self._put_for_all(self._gather(), seat)
        finally:
            self._stand_up(seat)  # also when this greenlet is killed or this thread interrupted
        return seat.answer()

    def _start_empty(self) -> None:
        """Also after a fork, where whoever held the lock or a seat lives on in the parent only."""
        self._lock = threading.Lock()
        self._queue: deque[_Seat] = deque()
        self._is_led = False  # while it is not, the queue is empty

    def _sit_down(self, envelope: Envelope) -> _Seat:
        seat = _Seat(envelope)
        with self._lock:
            if len(self._queue) >= MOST_WAITING:
                raise MailboxUnavailable("too many callers wait")
            self._queue.append(seat)
            if not self._is_led:
                self._is_led = seat.leads = True
        return seat

    def _gather(self) -> list[_Seat]:
        """Take those who wait longest, the leader first, as many as fit into one call."""
        group: list[_Seat] = []
        room = MOST_BYTES_TOGETHER
        with self._lock:
            while self._queue and len(group) < MOST_TOGETHER and (room > 0 or not group):
                seat = self._queue.popleft()
                seat.waits = False
                room -= len(seat.envelope.body)
                group.append(seat)
        return group

    def _put_for_all(self, group: Sequence[_Seat], leader: _Seat) -> None:
        failure: Exception = MailboxUnavailable("the put was interrupted")
        try:
            puts = self._mailboxes.put([seat.envelope for seat in group])
            for seat, put in zip(group, puts, strict=True):
                seat.put = put
        except Exception as error:  # noqa: BLE001 - every caller is told, by `answer`
            failure = error
        finally:
            self._hand_over(leader)
            for seat in group:
                seat.failure = failure
                seat.called.set()

    def _stand_up(self, seat: _Seat) -> None:
        """Leave the queue, and the lead if it was given just when its time was over."""
        with self._lock:
            if seat.waits:
                self._queue.remove(seat)
                seat.waits = False
        self._hand_over(seat)

    def _hand_over(self, leader: _Seat) -> None:
        with self._lock:
            if not leader.leads:
                return
            leader.leads = False
            self._is_led = bool(self._queue)
            if self._queue:
                self._queue[0].leads = True
                self._queue[0].called.set()
