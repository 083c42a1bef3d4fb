"""Customers whose events wait, in words: what each waits for, since when, why, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from cogento.console.formatting import duration
from cogento.console.queue_messages import describe_pause, times
from cogento.queue.pauses import Pause
from cogento.queue.waiting import WaitingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.events.names import CustomerId
    from cogento.queue.waiting import WaitingCustomer, WaitingPage

STATES = {
    WaitingState.PAUSED: "paused",
    WaitingState.RETRYING: "retrying",
    WaitingState.IN_PROGRESS: "in progress",
    WaitingState.QUEUED: "queued",
    WaitingState.WAITING_FOR_CUSTOMER: "waiting for customer",
}


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """One customer in one state: `row` as it was read, and the words that describe it."""

    row: WaitingCustomer
    oldest: str
    why: str
    next: str

    @property
    def customer_id(self) -> CustomerId:
        """The customer."""
        return self.row.customer_id

    @property
    def state(self) -> str:
        """What its events wait for."""
        return STATES[self.row.state]


def describe_waiting(page: WaitingPage) -> list[WaitingLine]:
    """Put a page of waiting customers into words."""
    return [
        WaitingLine(
            row,
            oldest="" if row.oldest_ms is None else duration((page.now_ms - row.oldest_ms) / 1000),
            why=_why(row, page.now_ms),
            next=_next(row, page.now_ms),
        )
        for row in page.rows
    ]


def describe_unlisted(page: WaitingPage, states: Sequence[WaitingState]) -> Mapping[str, int]:
    """Return, for each state, how many more customers there are than are listed; without states that are listed completely."""
    return {STATES[state]: more for state in states if (more := page.unlisted(state))}


def _why(row: WaitingCustomer, now_ms: int) -> str:
    pause = Pause(row.since_ms, row.who, row.why)
    match row.state:
        case WaitingState.PAUSED:
            why = describe_pause(pause, now_ms)
        case WaitingState.RETRYING:
            why = _failure(row) or "put off"
        case WaitingState.IN_PROGRESS:
            why = f"worker {row.owner}" if row.owner else "a worker"
            why += "; paused once it is done" if row.pause_wanted else ""
        case WaitingState.QUEUED:
            why = _failure(row)
        case WaitingState.WAITING_FOR_CUSTOMER:
            why = f"{row.event_id} waits for the customer's own event"
        case _:
            assert_never(row.state)
    crashed = f"workers crashed {times(row.crashes)} in a row with it" if row.crashes else ""
    return "; ".join(filter(None, (why, crashed)))


def _failure(row: WaitingCustomer) -> str:
    if row.failed_event_id is None:
        return ""
    how = f"failed {times(row.attempts)}" if row.attempts else "was postponed"
    return f"{row.failed_event_id} {how} ({row.why or 'cause unknown'})"


def _next(row: WaitingCustomer, now_ms: int) -> str:
    if row.next_ms is None:
        return ""
    left = duration(max(row.next_ms - now_ms, 0) / 1000)
    return f"lease ends in {left}" if row.state is WaitingState.IN_PROGRESS else f"in {left}"
