"""Dead letters as they are read: what is kept of each, what was done to it, and the filters by which they are found.

Frozen values; none holds a body.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from cogento.events.names import CustomerId, EventId


class LetterStatus(StrEnum):
    """Where a letter is; the last two are final."""

    OPEN = "open"
    RETRYING = "retrying"  # queued again
    RESOLVED = "resolved"
    DISCARDED = "discarded"


UNRESOLVED = frozenset({LetterStatus.OPEN, LetterStatus.RETRYING})


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which letters: those that match every term given here; None leaves a term out.

    `about` is a customer, object or event; `text` is looked for in ids, codes, messages and resolutions, in any case. Ages are
    counted from the letter's last death, in seconds by Postgres's clock. `removals` asks only for letters whose events end an
    object, `newest` for letter ids up to this one, `oldest` for those from this one on, `ids` for these alone, `operation` for
    letters that this bulk operation dealt with.
    """

    statuses: frozenset[LetterStatus] = UNRESOLVED
    reason: str | None = None
    type: str | None = None
    about: str | None = None
    fingerprint: str | None = None
    older_than_seconds: int | None = None
    newer_than_seconds: int | None = None
    text: str | None = None
    removals: bool = False
    newest: int | None = None
    oldest: int | None = None
    ids: tuple[int, ...] | None = None
    operation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter as kept, without its bytes; `raw_sha256` is theirs in hexadecimal, and stays when they are erased.

    A `removal` is the letter of an event that ends its object. One without `has_body` cannot be retried: its bytes were erased.
    """

    id: int
    event_id: EventId
    event_type: str
    customer_id: CustomerId
    object_id: str
    livemode: bool | None
    api_version: str | None
    event_created_at: dt.datetime
    received_at: dt.datetime
    first_attempt_at: dt.datetime | None
    died_at: dt.datetime
    attempts: int
    starts: int
    reason: str
    failure_class: str
    failure_code: str | None
    constraint_name: str | None
    message: str
    fingerprint: str
    worker_version: str | None
    source: str
    status: LetterStatus
    retrying_since: dt.datetime | None
    resolution: str | None
    resolved_by: str | None
    resolved_at: dt.datetime | None
    replays: int
    raw_sha256: str
    removal: bool
    has_body: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterCause:
    """What letters died of, how many did, and how many of these are `removals`; `message` is the newest one's where they differ."""

    fingerprint: str
    event_type: str
    reason: str
    failure_class: str
    failure_code: str | None
    constraint_name: str | None
    message: str
    letters: int
    removals: int
    first_died_at: dt.datetime
    last_died_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup(LetterCause):
    """The letters of one cause, and how many customers they are of."""

    customers: int


@dataclass(frozen=True, slots=True)
class LetterMatch:
    """A letter that is still to be dealt with, and how large its body is; 0 when it was erased."""

    id: int
    body_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSummary:
    """How many letters a filter finds, exactly; the id of the newest, 0 where it finds none; and their most frequent causes.

    Customers, and paused customers, are counted over `customers_of` of the letters, so there are at least so many. The number of
    paused ones is None where it is not known.
    """

    letters: int
    newest: int
    customers: int
    paused_customers: int | None
    customers_of: int
    causes: Sequence[LetterCause]

    @property
    def has_all_customers(self) -> bool:
        """Whether the customers are counted exactly."""
        return self.customers_of == self.letters


@dataclass(frozen=True, slots=True)
class LetterStatuses:
    """How many letters of each status there are, counted up to a number; and the id of the newest of all, or 0."""

    counts: Mapping[LetterStatus, int]
    newest: int


class RowSince(StrEnum):
    """What the row of a letter's object shows by now, compared with what the letter's event would write."""

    ABSENT = "absent"
    OLDER = "older"
    THIS = "this"
    SAME_SECOND = "same second"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class LetterRow:
    """The row of a letter's object: which event it shows, from when, and whether the object has ended there."""

    since: RowSince
    shown: EventId | None
    shown_at: dt.datetime | None
    has_ended: bool


@dataclass(frozen=True, slots=True)
class LetterAction:
    """Something that was done to a letter: retry, reopen or discard."""

    happened_at: dt.datetime
    action: str
    who: str
    why: str | None


@dataclass(frozen=True, slots=True)
class LetterOutcome:
    """What has become of a letter so far; `reason` is what it last died of, `resolution` how it ended."""

    id: int
    event_id: EventId
    status: LetterStatus
    reason: str
    resolution: str | None


@dataclass(frozen=True, slots=True)
class Replay:
    """A letter on its way back into its mailbox."""

    id: int
    event_id: EventId
    customer_id: CustomerId
    body: bytes


@dataclass(frozen=True, slots=True)
class LetterCount:
    """How many unresolved letters of one status and class there are, and since when.

    `removals` are those whose events end an object that its row still shows as not ended.
    """

    status: LetterStatus
    failure_class: str
    letters: int
    removals: int
    oldest: dt.datetime
