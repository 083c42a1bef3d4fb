"""What the mailboxes look like from outside, for people and for metrics. Frozen values, no Redis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogento.events.names import CustomerId, EventId
    from cogento.events.outcomes import Source
    from cogento.queue.pauses import Pause


class MailboxState(StrEnum):
    """The one state of a customer with waiting events."""

    READY = "ready"
    LEASED = "leased"
    SLEEPING = "sleeping"
    PAUSED = "paused"


class Removed(StrEnum):
    """What became of an operator's request to take an event out."""

    REMOVED = "removed"
    ABSENT = "absent"
    LEASED = "leased"  # a worker has leased the customer: try again


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything that ever happened to these mailboxes, counted in events (`expired`: in leases).

    `repaired` counts mailboxes and events that were missing from their lists and put back, `lost` ids whose event itself was
    gone.
    """

    accepted: int
    duplicates: int
    full: int
    settled: int
    removed: int
    expired: int
    repaired: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """How much there is now: `waiting` and `parked` count events, the states count customers.

    `oldest_event_ms` is when the oldest event at the head of a mailbox was received, `oldest_paused_ms` the same for paused
    mailboxes, which do not count in the first (parked events count in neither). `now_ms` is the time of the answer by the same
    clock.
    """

    waiting: int
    parked: int
    stored_bytes: int
    ready: int
    leased: int
    sleeping: int
    paused: int
    parked_customers: int
    everything_paused: bool
    oldest_event_ms: int | None
    oldest_paused_ms: int | None
    now_ms: int
    counters: Counters

    @property
    def oldest_event_age_seconds(self) -> float | None:
        """How long the oldest event at the head of a mailbox that is not paused has waited; None when none waits."""
        return self._age_seconds(self.oldest_event_ms)

    @property
    def oldest_paused_age_seconds(self) -> float | None:
        """How long the oldest event at the head of a paused mailbox has waited; None when none is paused."""
        return self._age_seconds(self.oldest_paused_ms)

    def _age_seconds(self, received_ms: int | None) -> float | None:
        return None if received_ms is None else max(self.now_ms - received_ms, 0) / 1000


@dataclass(frozen=True, slots=True)
class Paused:
    """What operators have paused: everything, or these customers."""

    everything: Pause | None
    customers: tuple[CustomerId, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One event in a mailbox, without its body; `source` and `received_ms` are None where a newer release wrote it."""

    event_id: EventId
    created: int
    received_ms: int | None
    source: Source | None
    attempts: int
    first_attempt_ms: int | None
    error_class: str | None
    error_code: str | None


@dataclass(frozen=True, slots=True)
class MailboxView:
    """One customer's mailbox, events in order (only the first of them when there are many).

    `state_ms` is since when it has been ready or paused, or until when it is leased or asleep; `owner` is the worker that has
    it. `pause` may be set without events. `parked_look_ms` is when the parked events are looked at again.
    """

    customer_id: CustomerId
    state: MailboxState | None
    state_ms: int | None
    owner: str | None
    pause: Pause | None
    crashes: int
    parked_look_ms: int | None
    waiting_total: int
    parked_total: int
    waiting: tuple[Listed, ...]
    parked: tuple[Listed, ...]

    @property
    def has_events(self) -> bool:
        """Whether any event waits or is parked."""
        return self.waiting_total > 0 or self.parked_total > 0
