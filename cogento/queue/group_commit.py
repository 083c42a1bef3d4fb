"""Many callers, one call: puts of the same moment become one script, and one wait for the disk.

A caller who finds no put under way starts one with all who are ready now; beside it a second one starts as soon as it is worth
its cost. Those who come meanwhile share the next. One timer serves the time-outs of all. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import put_together
from cogento.queue.redis_connection import SLOWEST_BYTES_A_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.claims import Put
    from cogento.queue.mailboxes import Mailboxes

MAX_IN_FLIGHT = 2
"""While the server works on one put, the other is written or read, so neither side waits."""
WORTH_A_PUT = 8
"""How many callers must wait before a put starts beside another one; fewer suffice where the other one carries fewer. A put
itself costs server and receiver as much as ten events in it."""
MAX_WAITING = 4096
MAX_BATCH = 1000
MAX_BATCH_BYTES = 4 * 1024**2
GRACE_SECONDS = 0.3
"""How long a caller waits beyond the time of two puts: a slow server may need several answers for one of them."""


class _PendingPut:
    """One caller: its envelope, and the answer it waits for; after `deadline`, by the loop's clock, no put of it begins."""

    __slots__ = ("answer", "deadline", "envelope", "mailboxes")

    def __init__(
        self, envelope: Envelope, mailboxes: Mailboxes, answer: asyncio.Future[Put], deadline: float
    ) -> None:
        self.envelope = envelope
        self.mailboxes = mailboxes
        self.answer = answer
        self.deadline = deadline

    def resolve(self, put: Put) -> None:
        if not self.answer.done():
            self.answer.set_result(put)

    def fail(self, failure: Exception) -> None:
        """Fail the caller; an error of Redis is copied for each caller, or their tracebacks would mix."""
        if self.answer.done():
            return
        if isinstance(failure, MailboxUnavailable):
            copy: Exception = MailboxUnavailable(str(failure))
            copy.__cause__ = failure
            self.answer.set_exception(copy)
        else:
            self.answer.set_exception(failure)

    def time_out(self) -> None:
        self.fail(MailboxUnavailable("no answer in time"))

    def expires_at(self) -> float:
        """Return when this caller gives up, whatever the put is doing."""
        return self.deadline + GRACE_SECONDS


class _Flight:
    """A series of puts, one after the other, and the callers of the one that is under way."""

    __slots__ = ("group", "task")

    def __init__(self) -> None:
        self.group: Sequence[_PendingPut] = ()
        self.task: asyncio.Task[None] | None = None  # kept here: an event loop holds only a weak reference


class GroupCommit:
    """Puts single envelopes together with those of concurrent callers of one event loop.

    Only events that one server keeps are put together: a server that is slow or away does not delay callers whose mailboxes are
    elsewhere. When the shared call fails, its callers fail and no others; when one account's part of it fails, only that account's
    callers do. At most MAX_WAITING callers of a server wait, each no longer than for two puts (one under way and its own) and a
    moment.
    """

    def __init__(self, mailboxes: Mailboxes, lanes: dict[str, _Lane] | None = None) -> None:
        self._mailboxes = mailboxes
        self._lanes = {} if lanes is None else lanes

    def beside(self, mailboxes: Mailboxes) -> GroupCommit:
        """Return a GroupCommit for another account's mailboxes on the same servers; its puts share the calls."""
        return GroupCommit(mailboxes, self._lanes)

    async def put(self, envelope: Envelope) -> Put:
        """Put one envelope; durable when the result is there.

        Raises MailboxUnavailable when it was not stored, or may not have been: trying again is safe.
        """
        name = self._mailboxes.lane(envelope.customer_id)
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(self._mailboxes)
        return await lane.put(envelope, self._mailboxes)


class _Lane:
    """The callers whose mailboxes are on one server."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes  # any account's: only facts about the servers are asked of them
        self._queue: deque[_PendingPut] = deque()
        self._flights: list[_Flight] = []  # while it is empty, no caller waits
        self._is_starting = False
        # One timer for all callers, set for the first to give up. It stays set when all are answered, for the next callers.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None  # uvloop's handle of a timer that is due at once does not know it

    def put(self, envelope: Envelope, mailboxes: Mailboxes) -> asyncio.Future[Put]:
        if len(self._queue) >= MAX_WAITING:
            raise MailboxUnavailable("too many callers wait")
        loop = asyncio.get_running_loop()
        longest = 2 * self._mailboxes.longest_put_seconds() + len(envelope.body) / SLOWEST_BYTES_A_SECOND
        pending = _PendingPut(envelope, mailboxes, loop.create_future(), loop.time() + longest)
        self._queue.append(pending)
        if not self._is_starting and self._is_put_worth_it():
            # The task begins once all callers that are ready now wait in the queue.
            self._is_starting = True
            flight = _Flight()
            self._flights.append(flight)
            flight.task = loop.create_task(self._put_groups(flight))
        if self._timer_at is None or pending.expires_at() < self._timer_at:
            self._set_timer(pending.expires_at())
        return pending.answer

    async def _put_groups(self, flight: _Flight) -> None:
        """Put group after group until nobody waits, or so few that another flight can take them.

        Whatever ends the last flight leaves no one waiting.
        """
        self._is_starting = False
        try:
            while self._queue and self._is_put_worth_it():
                flight.group = self._next_group()
                await self._put_group(flight.group)
                flight.group = ()
        finally:
            self._flights.remove(flight)
            if not self._flights:
                while self._queue:
                    self._queue.popleft().fail(MailboxUnavailable("the put was interrupted"))

    def _is_put_worth_it(self) -> bool:
        """Tell whether a put for those who wait now is worth its cost, beside those under way."""
        under_way = [len(flight.group) for flight in self._flights if flight.group]
        return len(under_way) < MAX_IN_FLIGHT and len(self._queue) >= min(
            WORTH_A_PUT, max(under_way, default=0)
        )

    def _next_group(self) -> list[_PendingPut]:
        """Take those who wait longest, as many as fit into one call; a caller without enough time left for it fails."""
        group: list[_PendingPut] = []
        room = MAX_BATCH_BYTES
        done_by = asyncio.get_running_loop().time() + self._mailboxes.longest_put_seconds()
        while self._queue and len(group) < MAX_BATCH and room > 0:
            pending = self._queue.popleft()
            if pending.deadline < done_by:
                pending.time_out()
            elif not pending.answer.done():
                group.append(pending)
                room -= len(pending.envelope.body)
        return group

    async def _put_group(self, group: Sequence[_PendingPut]) -> None:
        if not group:
            return
        failure: Exception | None = MailboxUnavailable("the put was interrupted")
        try:
            puts = await put_together([(pending.mailboxes, pending.envelope) for pending in group])
            for pending, put in zip(group, puts, strict=True):
                if isinstance(put, MailboxUnavailable):
                    pending.fail(put)
                else:
                    pending.resolve(put)
            failure = None
        except Exception as error:  # noqa: BLE001 - every caller is told
            failure = error
        finally:
            if failure is not None:
                for pending in group:
                    pending.fail(failure)

    def _set_timer(self, moment: float | None) -> None:
        """Set the timer, or stop it where nobody waits."""
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if moment is None else loop.call_at(moment, self._expire)
        self._timer_at = moment

    def _expire(self) -> None:
        """Fail the callers whose time is over, and set the timer for the others."""
        now = asyncio.get_running_loop().time()
        moments: list[float] = []
        for pending in (*chain.from_iterable(flight.group for flight in self._flights), *self._queue):
            if pending.answer.done():
                continue
            if pending.expires_at() <= now:
                pending.time_out()
            else:
                moments.append(pending.expires_at())
        self._set_timer(min(moments, default=None))
