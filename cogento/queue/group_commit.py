"""Many callers, one call: puts of the same moment become one script, and one wait for the disk.

No waiting for others: who finds fewer than MOST_AT_ONCE puts under way starts one with whoever is ready now, and those
who come meanwhile share the next. One timer looks after everybody's patience. Knows mailboxes by a port;
nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from cogento.queue.durable_scripts import SLOWEST_BYTES_A_SECOND
from cogento.queue.errors import MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.mail import Put

MOST_AT_ONCE = 2
"""While the server works on one, the other is written and read: alternately, neither waits for the other."""
MOST_WAITING = 4096
MOST_TOGETHER = 1000
MOST_BYTES_TOGETHER = 4 * 1024**2
GRACE_SECONDS = 0.3
"""What a caller waits beyond two puts: a slow server may need several answers for one of them."""


class Mailboxes(Protocol):
    """What group commit puts into, several at a time."""

    async def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        """Put all of these durably, or raise."""

    def longest_put_seconds(self) -> float:
        """Return how long a put may take before it raises."""


class _Seat:
    """One caller: its envelope, and the answer it waits for; after `deadline`, by the loop's clock, no put of it begins."""

    __slots__ = ("answer", "deadline", "envelope")

    def __init__(self, envelope: Envelope, answer: asyncio.Future[Put], deadline: float) -> None:
        self.envelope = envelope
        self.answer = answer
        self.deadline = deadline

    def take(self, put: Put) -> None:
        if not self.answer.done():
            self.answer.set_result(put)

    def fail(self, failure: Exception) -> None:
        """Tell of a failure; Redis's in a new error for each caller, or their tracebacks would mix."""
        if self.answer.done():
            return
        if isinstance(failure, MailboxUnavailable):
            told: Exception = MailboxUnavailable(str(failure))
            told.__cause__ = failure
            self.answer.set_exception(told)
        else:
            self.answer.set_exception(failure)

    def give_up(self) -> None:
        self.fail(MailboxUnavailable("no answer in time"))

    def patient_until(self) -> float:
        """Return when this caller gives up, whatever the put is doing."""
        return self.deadline + GRACE_SECONDS


class _Lane:
    """Puts that follow each other, and the callers of the one that is under way."""

    __slots__ = ("group", "task")

    def __init__(self) -> None:
        self.group: Sequence[_Seat] = ()
        self.task: asyncio.Task[None] | None = None  # kept, for an event loop does not


class GroupCommit:
    """Puts single envelopes together with those of concurrent callers of one event loop.

    When the shared call fails, all its callers fail, and nobody else does. At most MOST_WAITING callers
    wait, each no longer than for two puts (one under way and its own) and a moment.
    """

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._queue: deque[_Seat] = deque()
        self._lanes: list[_Lane] = []  # while there is none, nobody waits
        self._is_beginning = False
        self._patience: asyncio.TimerHandle | None = None  # one for all: for whoever gives up first
        self._patience_ends: float | None = None  # uvloop's handle of what is due at once cannot tell

    async def put(self, envelope: Envelope) -> Put:
        """Put one envelope; durable when this returns.

        Raises MailboxUnavailable when it was not, or perhaps not, stored: trying again is safe.
        """
        if len(self._queue) >= MOST_WAITING:
            raise MailboxUnavailable("too many callers wait")
        loop = asyncio.get_running_loop()
        longest = 2 * self._mailboxes.longest_put_seconds() + len(envelope.body) / SLOWEST_BYTES_A_SECOND
        seat = _Seat(envelope, loop.create_future(), loop.time() + longest)
        self._queue.append(seat)
        if not self._is_beginning and len(self._lanes) < MOST_AT_ONCE:
            self._begin()
        if self._patience_ends is None or seat.patient_until() < self._patience_ends:
            self._be_patient_until(seat.patient_until())
        return await seat.answer

    def _begin(self) -> None:
        """Put, once all who are ready now have sat down."""
        self._is_beginning = True
        lane = _Lane()
        self._lanes.append(lane)
        lane.task = asyncio.get_running_loop().create_task(self._put_everything(lane))

    async def _put_everything(self, lane: _Lane) -> None:
        """Put group after group until nobody waits; whatever ends the last lane leaves no one waiting."""
        self._is_beginning = False
        try:
            while self._queue:
                lane.group = self._gather()
                await self._put_for_all(lane.group)
        finally:
            self._lanes.remove(lane)
            if not self._lanes:
                self._end()

    def _end(self) -> None:
        while self._queue:
            self._queue.popleft().fail(MailboxUnavailable("the put was interrupted"))
        self._be_patient_until(None)

    def _gather(self) -> list[_Seat]:
        """Take those who wait longest, as many as fit into one call; who has no time left for it fails."""
        group: list[_Seat] = []
        room = MOST_BYTES_TOGETHER
        done_by = asyncio.get_running_loop().time() + self._mailboxes.longest_put_seconds()
        while self._queue and len(group) < MOST_TOGETHER and room > 0:
            seat = self._queue.popleft()
            if seat.deadline < done_by:
                seat.give_up()
            elif not seat.answer.done():
                group.append(seat)
                room -= len(seat.envelope.body)
        return group

    async def _put_for_all(self, group: Sequence[_Seat]) -> None:
        if not group:
            return
        failure: Exception | None = MailboxUnavailable("the put was interrupted")
        try:
            puts = await self._mailboxes.put([seat.envelope for seat in group])
            for seat, put in zip(group, puts, strict=True):
                seat.take(put)
            failure = None
        except Exception as error:  # noqa: BLE001 - every caller is told
            failure = error
        finally:
            if failure is not None:
                for seat in group:
                    seat.fail(failure)

    def _be_patient_until(self, moment: float | None) -> None:
        """Set the timer, or stop it where nobody waits."""
        if self._patience is not None:
            self._patience.cancel()
        loop = asyncio.get_running_loop()
        self._patience = None if moment is None else loop.call_at(moment, self._lose_patience)
        self._patience_ends = moment

    def _lose_patience(self) -> None:
        """Tell those whose time is over, and go on waiting for the others."""
        now = asyncio.get_running_loop().time()
        moments: list[float] = []
        for seat in (*chain.from_iterable(lane.group for lane in self._lanes), *self._queue):
            if seat.answer.done():
                continue
            if seat.patient_until() <= now:
                seat.give_up()
            else:
                moments.append(seat.patient_until())
        self._be_patient_until(min(moments, default=None))
