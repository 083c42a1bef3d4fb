"""What the mailboxes do, written again in plain Python: one shard, in memory, a few lines for each command.

Written from the design and not from the Lua, so that the two can disagree.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogento.queue.claims import PutResult
from cogento.queue.pauses import Pause
from cogento.queue.status import MailboxState, Removed
from cogento.queue.waiting import WaitingState
from cogento.retries import linger_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.queue.claims import FailedAttempt, Limits, Settlement

ALONE_FROM_CRASHES = 2
PARKED_LOOK_MS = 300_000
WAKEUP_WINDOW_MS = 100
MAX_WAKEUP_WINDOW_MS = 60_000
WAITING_IN = {
    WaitingState.PAUSED: MailboxState.PAUSED,
    WaitingState.RETRYING: MailboxState.SLEEPING,
    WaitingState.IN_PROGRESS: MailboxState.LEASED,
    WaitingState.QUEUED: MailboxState.READY,
}


@dataclass(order=True)
class Entry:
    """One event, ordered as its mailbox orders it."""

    created: int
    arrival: int
    event_id: str
    content: str = field(compare=False)
    received_ms: int = field(compare=False)


@dataclass
class Box:
    """One customer's mailbox."""

    waiting: list[Entry] = field(default_factory=list)
    parked: list[Entry] = field(default_factory=list)
    state: MailboxState | None = None
    state_ms: int | None = None
    owner: str | None = None
    crashes: int = 0
    pause: Pause | None = None
    look_ms: int | None = None
    since_ms: int | None = None


class Reference:
    """All mailboxes; every method takes the time."""

    def __init__(self, limits: Limits) -> None:
        self.boxes: dict[str, Box] = {}
        self.tries: dict[str, FailedAttempt] = {}
        self.is_halted = False
        self.accepted = 0
        self._limits = limits
        self._arrivals = itertools.count()
        self._awake_until = 0
        self._rings = 0

    def box(self, customer: str) -> Box:
        return self.boxes.setdefault(customer, Box())

    def put(self, now: int, customer: str, event_id: str, created: int, content: str) -> PutResult:
        box = self.box(customer)
        if (known := self._entry(event_id)) is not None:
            same = known.content == content
            return PutResult.DUPLICATE if same else PutResult.DUPLICATE_DIFFERS
        total = sum(len(one.waiting) + len(one.parked) for one in self.boxes.values())
        own = len(box.waiting) + len(box.parked)
        if own >= self._limits.customer_events or total >= self._limits.total_events:
            return PutResult.FULL
        box.waiting = sorted([*box.waiting, Entry(created, next(self._arrivals), event_id, content, now)])
        self.accepted += 1
        if len(box.waiting) == 1:
            self._seat(now, box)
        return PutResult.QUEUED

    def wake(self, now: int) -> bool:
        """Whether a wake-up is needed; to be called after puts that queued something."""
        if now < self._awake_until or self.is_halted or not any(self._line()):
            return False
        self._awake_until = now + min(WAKEUP_WINDOW_MS * 2**self._rings, MAX_WAKEUP_WINDOW_MS)
        self._rings += 1
        return True

    def claim(
        self,
        now: int,
        token: str,
        *,
        max_customers: int,
        max_events: int,
        lease_ms: int,
        max_customer_events: int,
    ) -> list[tuple[str, int, list[str]]]:
        self._recover(now)
        self._wake(now)
        claimed: list[tuple[str, int, list[str]]] = []
        room = max_events
        for customer in list(self._line())[: 0 if self.is_halted else max_customers]:
            box = self.boxes[customer]
            is_suspect = box.crashes >= ALONE_FROM_CRASHES
            if room == 0 or (is_suspect and claimed):
                break
            batch = [entry.event_id for entry in box.waiting[: min(max_customer_events, room)]]
            box.state, box.state_ms, box.owner = MailboxState.LEASED, now + lease_ms, token
            claimed.append((customer, box.crashes, batch))
            room -= len(batch)
            if is_suspect:
                break
        self._note_claim(now, events=max_events - room)
        return claimed

    def settle(self, now: int, token: str, settlement: Settlement) -> bool:
        box = self.box(settlement.customer_id)
        if box.owner != token:
            return False
        self._forget(settlement.done)
        box.waiting = [entry for entry in box.waiting if entry.event_id not in settlement.done]
        here = {entry.event_id for entry in box.waiting}
        self.tries |= {failed.event_id: failed for failed in settlement.failed if failed.event_id in here}
        parked = [entry for entry in box.waiting if entry.event_id in settlement.parked]
        box.waiting = [entry for entry in box.waiting if entry not in parked]
        box.parked = sorted(box.parked + parked)
        box.look_ms = box.look_ms or (now + PARKED_LOOK_MS if parked else None)
        if settlement.released:
            self._unpark(box)
        box.owner, box.crashes = None, ALONE_FROM_CRASHES if box.crashes >= ALONE_FROM_CRASHES else 0
        self._seat(now, box, wake_ms=settlement.postponed_until_ms or 0)
        return True

    def renew(self, now: int, token: str, customers: list[str], lease_ms: int) -> bool:
        held = [box for box in map(self.box, customers) if box.owner == token]
        for box in held:
            box.state_ms = now + lease_ms
        return len(held) == len(customers)

    def release(self, now: int, token: str, customers: list[str]) -> None:
        for box in [box for box in map(self.box, customers) if box.owner == token]:
            box.owner = None
            self._seat(now, box)

    def replay(self, now: int, customer: str) -> bool:
        box = self.box(customer)
        slept, returns, was_empty = box.state is MailboxState.SLEEPING, bool(box.parked), not box.waiting
        self._unpark(box)
        if slept or (returns and was_empty):
            self._seat(now, box)
        return slept or returns

    def pause(self, now: int, customer: str, *, why: str) -> bool:
        box = self.box(customer)
        began, box.pause = box.pause is None, box.pause or Pause(now, "ops", why)
        if box.state in (MailboxState.READY, MailboxState.SLEEPING):
            self._seat(now, box)
        return began

    def resume(self, now: int, customer: str) -> bool:
        box = self.box(customer)
        ended, box.pause = box.pause is not None, None
        if box.state is MailboxState.PAUSED:
            self._seat(now, box)
        return ended

    def remove(self, customer: str, event_id: str) -> Removed:
        box = self.box(customer)
        if box.owner is not None:
            return Removed.LEASED
        ids = {entry.event_id for entry in box.waiting + box.parked}
        self._forget((event_id,) if event_id in ids else ())
        box.waiting = [entry for entry in box.waiting if entry.event_id != event_id]
        box.parked = [entry for entry in box.parked if entry.event_id != event_id]
        box.look_ms = box.look_ms if box.parked else None
        if not box.waiting:
            box.state, box.state_ms, box.crashes, box.since_ms = None, None, 0, None
        return Removed.REMOVED if event_id in ids else Removed.ABSENT

    def oldest_ms(self, *, paused: bool) -> int | None:
        """When the oldest event was received at the head of a mailbox that is paused, or of one that is not."""
        boxes = [box for box in self.boxes.values() if (box.state is MailboxState.PAUSED) is paused]
        return min((box.since_ms for box in boxes if box.since_ms is not None), default=None)

    def waiting(self) -> dict[WaitingState, dict[str, int]]:
        """How many events of which customers wait for what."""
        states = {
            state: {name: len(box.waiting) for name, box in self.boxes.items() if box.state is held_in}
            for state, held_in in WAITING_IN.items()
        }
        quiet = {name: 0 for name, box in self.boxes.items() if box.pause and not box.waiting}
        parked = {name: len(box.parked) for name, box in self.boxes.items() if box.parked}
        states[WaitingState.PAUSED] |= quiet
        return states | {WaitingState.WAITING_FOR_CUSTOMER: parked}

    def _line(self) -> Iterator[str]:
        ready = [customer for customer, box in self.boxes.items() if box.state is MailboxState.READY]
        yield from sorted(ready, key=lambda customer: (self.boxes[customer].state_ms, customer))

    def _recover(self, now: int) -> None:
        for box in self._due(MailboxState.LEASED, now):
            box.owner = None
            box.crashes += 1
            self._seat(now, box)

    def _wake(self, now: int) -> None:
        for box in self._due(MailboxState.SLEEPING, now):
            self._seat(now, box)
        for box in [box for box in self.boxes.values() if box.look_ms is not None and box.look_ms <= now]:
            was_empty = not box.waiting
            self._unpark(box)
            if was_empty:
                self._seat(now, box)

    def _due(self, state: MailboxState, now: int) -> list[Box]:
        return [box for box in self.boxes.values() if box.state is state and (box.state_ms or 0) <= now]

    def _note_claim(self, now: int, *, events: int) -> None:
        if events:
            awake_ms = max(WAKEUP_WINDOW_MS, 2 * linger_ms(events))
            self._awake_until, self._rings = now + awake_ms, 0
        elif not any(box.state is MailboxState.LEASED for box in self.boxes.values()):
            self._awake_until, self._rings = 0, 0

    def _seat(self, now: int, box: Box, *, wake_ms: int = 0) -> None:
        box.since_ms = box.waiting[0].received_ms if box.waiting else None
        if not box.waiting:
            box.state, box.state_ms, box.crashes = None, None, 0
        elif box.pause:
            box.state, box.state_ms = MailboxState.PAUSED, now
        elif wake_ms > now:
            box.state, box.state_ms = MailboxState.SLEEPING, wake_ms
        else:
            box.state, box.state_ms = MailboxState.READY, now

    def _unpark(self, box: Box) -> None:
        box.waiting = sorted(box.waiting + box.parked)
        box.parked, box.look_ms = [], None

    def _forget(self, event_ids: tuple[str, ...]) -> None:
        for event_id in event_ids:
            self.tries.pop(event_id, None)

    def _entry(self, event_id: str) -> Entry | None:
        entries = (entry for box in self.boxes.values() for entry in box.waiting + box.parked)
        return next((entry for entry in entries if entry.event_id == event_id), None)
