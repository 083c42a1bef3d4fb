"""Customers whose events wait, one by one, for people: what waiting.lua finds. Frozen values, no Redis."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.events.names import CustomerId, EventId
from cogento.queue.pauses import Pause, read_pause
from cogento.queue.replies import read_attempts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.redis_commands import Reply

MAX_CUSTOMERS = 200
"""How many of each state one answer has: they take a few milliseconds, in which Redis does nothing else."""


class WaitingState(StrEnum):
    """What a customer's events wait for, in the order in which pages show it."""

    PAUSED = "paused"  # until an operator resumes it; with events or without
    RETRYING = "retrying"  # for the next attempt
    IN_PROGRESS = "in_progress"  # for the worker that has it
    QUEUED = "queued"  # for a worker
    WAITING_FOR_CUSTOMER = "waiting_for_customer"  # for the customer's own event


@dataclass(frozen=True, slots=True)
class WaitingCustomer:
    """One customer in one state. Where it also has events that wait for its own event, it has a second row for those.

    `event_id` is its first event and `oldest_ms` when that was received. `since_ms` is when it was paused or queued, `next_ms`
    when it is tried again or when its lease ends. `why` is the operator's reason, or the error with which `failed_event_id`
    failed, `attempts` times. `who` paused it; while `owner` works on it, the pause begins when the batch ends.
    """

    customer_id: CustomerId
    state: WaitingState
    events: int
    oldest_ms: int | None
    event_id: EventId | None
    since_ms: int | None
    next_ms: int | None
    why: str
    who: str
    owner: str | None
    failed_event_id: EventId | None
    attempts: int
    crashes: int
    pause_wanted: bool


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """The first customers of each state that was asked for, and how many there are in every state.

    `everything` is set while an operator has paused all customers.
    """

    rows: Sequence[WaitingCustomer]
    customers: Mapping[WaitingState, int]
    everything: Pause | None
    now_ms: int

    def unlisted(self, state: WaitingState) -> int:
        """Return how many more of a state there are than are listed."""
        listed = Counter(row.state for row in self.rows)
        return max(self.customers[state] - listed[state], 0)


def read_waiting(shards: Sequence[Reply], *, limit: int, now_ms: int) -> WaitingPage:
    """Return the page that combines all shards' replies."""
    customers = dict.fromkeys(WaitingState, 0)
    rows: dict[WaitingState, list[tuple[float, WaitingCustomer]]] = {state: [] for state in WaitingState}
    for _, counts, found in shards:
        for state, count in zip(counts[::2], counts[1::2], strict=True):
            customers[WaitingState(state.decode())] += count
        for reply in found:
            score, row = _read_row(reply)
            rows[row.state].append((score, row))
    listed = [
        row
        for many in rows.values()
        for _, row in sorted(many, key=lambda one: (one[0], one[1].customer_id))[:limit]
    ]
    everything = next((pause for halted, *_ in shards if (pause := read_pause(halted))), None)
    return WaitingPage(listed, customers, everything, now_ms)


def _read_row(reply: Reply) -> tuple[float, WaitingCustomer]:
    """Return a row and its sort key among those of its state; a customer without events comes last."""
    name, customer, score, received, events, first, failed, tries, crashes, owner, pause_value = reply
    state, pause = WaitingState(name.decode()), read_pause(pause_value)
    score_ms = None if score is None else int(score)
    attempts, _, error_class, code = read_attempts(tries)
    failure = " ".join(filter(None, (error_class, code)))
    since_ms = score_ms if state is WaitingState.QUEUED else None
    if state is WaitingState.PAUSED:
        since_ms = (pause and pause.since_ms) or score_ms
    has_next = state not in {WaitingState.PAUSED, WaitingState.QUEUED}
    row = WaitingCustomer(
        customer_id=CustomerId(customer.decode()),
        state=state,
        events=events,
        oldest_ms=None if received is None else int(received),
        event_id=None if first is None else EventId(first.decode()),
        since_ms=since_ms,
        next_ms=score_ms if has_next else None,
        why=pause.why if pause and state is WaitingState.PAUSED else failure,
        who=pause.who if pause else "",
        owner=None if owner is None else owner.decode().rpartition("/")[0] or None,
        failed_event_id=None if failed is None else EventId(failed.decode()),
        attempts=attempts,
        crashes=int(crashes or 0),
        pause_wanted=pause is not None,
    )
    return (float("inf") if score_ms is None else score_ms), row
