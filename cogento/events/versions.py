"""The values of the order decision: what goes into it and what comes out of it."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from cogento.events.kinds.kind import Columns
from cogento.events.names import EventId
from cogento.events.outcomes import Reason

ORDER_WINDOW = 2
"""Seconds within which `created` does not decide the order: events this close tie (docs/ordering.md)."""

STAMP_JITTER = 5
"""Seconds by which an event may be stamped late: only events further apart are surely in the order of their stamps."""


class Lifecycle(IntEnum):
    """Where in an object's life an event of this type stands."""

    CREATED = 0
    CHANGED = 1
    DELETED = 2


class Version(msgspec.Struct, frozen=True):
    """One event as the order sees it.

    `state` is the hash of the state it shows, `before` that of the state it leads from, where previous_attributes give one;
    `growing` are values that mostly grow, larger is probably later. `partial` says that the event does not carry the whole
    object (Kind.parts): a row that shows it is unsure. `fetched` says that it is not an event of Stripe's, but what Stripe
    answered when it was asked (R10). `request` is the hash of the API request that caused the change; None where the change was
    automatic or the event does not say.
    """

    event_id: EventId
    created: int
    lifecycle: Lifecycle
    terminal: bool
    state: bytes
    before: bytes | None
    growing: tuple[int, ...]
    columns: Columns
    partial: bool = False
    fetched: bool = False
    request: bytes | None = None


class CurrentRow(msgspec.Struct, frozen=True):
    """A row as it is: `evidence` as stored (empty: none), and the event and columns that it shows."""

    evidence: bytes
    last_event_id: EventId
    columns: Columns


class EventVerdict(msgspec.Struct, frozen=True):
    """How one event was judged, and in `superseded_by` which event of the batch took its place."""

    event_id: EventId
    reason: Reason
    superseded_by: EventId | None = None


class Decision(msgspec.Struct, frozen=True):
    """The row as it is to be; `changed` says whether any column differs from before.

    Write `evidence` whenever its bytes differ, also when nothing else does. `tied` says that the newest
    window held more than one event, so that the order took more than a comparison of seconds.
    """

    evidence: bytes
    last_event_id: EventId
    last_event_created: int
    columns: Columns
    changed: bool
    sure: bool
    verdicts: tuple[EventVerdict, ...]
    tied: bool = False
