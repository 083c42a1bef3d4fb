"""Batches of several accounts in turn, so that the same workers serve all of them and no account waits for another.

A batch is one account's: its events are claimed, written and settled in its own mailboxes and tables. Each account has its own
loop, circuit, heartbeat and linger. Every account with waiting events gets its turn, however much the others have.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.queue.errors import MailboxUnavailable
from cogento.retries import INTERVALS, MAX_LINGER_MS
from worker.loop import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from worker.loop import Wakeups, WorkerLoop

SLOW_SECONDS = 2.0
"""An account whose batch takes longer, because its tables are locked for example, gets one loop and leaves the others to other accounts."""

AWAKE_MS = 2 * MAX_LINGER_MS
"""For so long after a claim no wake-up is asked for: by then its account is polled again."""


class RecentEvents:
    """How many events the last claims of all accounts found, so that their events gather as long as those of one account would.

    Otherwise the same number of events would make the more batches, the more accounts they belong to. `clock` is monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}

    def note(self, account: str, events: int) -> int:
        """Note how many events an account's claim found, and return how many the last claims of all accounts found."""
        now = self._clock()
        self._last[account] = (now, events)
        return sum(found for at, found in self._last.values() if now - at <= AWAKE_MS / 1000)


@dataclass(slots=True)
class _Account:
    """An account's loop and its state: `began` is when its last batch began, `rests_until` when to poll it again."""

    loop: WorkerLoop
    under_way: int = 0
    began: float = 0.0
    is_slow: bool = False
    is_awake: bool = False
    """Its last claim found events, and wake-ups rely on another; or its loop still has to settle or release one."""
    rests_until: float = 0.0

    def may_run(self, now: float) -> bool:
        is_stuck = self.under_way > 0 and (self.is_slow or now - self.began > SLOW_SECONDS)
        return now >= self.rests_until and self.loop.backoff.is_over() and not is_stuck


class AccountLoops:
    """Processes batches of several accounts; several tasks of one event loop may run it at once. `clock` is monotonic."""

    def __init__(self, loops: Sequence[WorkerLoop], wakeups: Wakeups, *, clock: Callable[[], float]) -> None:
        self._accounts = [_Account(loop) for loop in loops]
        self._mailboxes = loops[0].mailboxes  # any account's: all share the connections
        self._wakeups = wakeups
        self._clock = clock
        self._next = 0
        self._knows_ready = True
        self._is_stopping = False

    async def run(self) -> None:
        """Process batches until no event is ready that can be processed; when cancelled, it does as WorkerLoop.run."""
        batches = asyncio.create_task(self._process_ready())
        try:
            await asyncio.shield(batches)
        except asyncio.CancelledError:
            self._is_stopping = True
            for account in self._accounts:
                account.loop.ask_to_stop()
            await asyncio.wait({batches})
            raise

    async def _process_ready(self) -> None:
        while not self._is_stopping:
            due = await self._due()
            if not due:
                return
            left = {place: self._accounts[place].loop.linger.seconds_left() for place in due}
            free = [place for place in due if left[place] <= 0]
            if free:
                await self._run_turn(min(free, key=lambda place: (place - self._next) % len(self._accounts)))
            else:
                await self._wakeups.wait(min(left.values()))

    async def _due(self) -> list[int]:
        """Return the positions of accounts that have something to process."""
        for account in self._accounts:
            await account.loop.heartbeat.beat()
        asleep = [place for place in self._ready_places() if not self._accounts[place].is_awake]
        try:
            ready = await self._mailboxes.find_ready(
                [self._accounts[place].loop.mailboxes for place in asleep]
            )
            self._knows_ready = True
        except MailboxUnavailable:  # some of several servers may answer: each claim finds out for itself
            ready = [True] * len(asleep)
            self._knows_ready = False
        idle = {place for place, is_ready in zip(asleep, ready, strict=True) if not is_ready}
        # Checked again: another loop may have taken one meanwhile.
        return [place for place in self._ready_places() if place not in idle]

    def _ready_places(self) -> list[int]:
        now = self._clock()
        return [place for place, account in enumerate(self._accounts) if account.may_run(now)]

    async def _run_turn(self, place: int) -> None:
        account = self._accounts[place]
        self._next = place + 1
        account.under_way += 1
        account.began = began = self._clock()
        account.is_awake = True
        try:
            turn = await account.loop.take_turn()
        finally:
            account.under_way -= 1
        now = self._clock()
        if turn is not Turn.NOTHING:
            account.is_slow = now - began > SLOW_SECONDS
        has_to_settle = account.loop.has_pending_acks
        account.is_awake = turn is Turn.PROCESSED or has_to_settle
        comes_again = has_to_settle or not self._knows_ready  # although nothing of it was ready
        if turn is Turn.BLOCKED or (turn is Turn.NOTHING and comes_again):
            account.rests_until = now + INTERVALS.poll_seconds
