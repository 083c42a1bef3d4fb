"""What can become of an event: a closed set, matched exhaustively wherever it is acted on."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """How the order judged an event; written to the ledger and shown by `cogento explain`."""

    FIRST = "first"  # nothing was known of the object
    NEWER = "newer"  # its second is greater than every other's
    FOLLOWS = "follows"  # within the tie window, or ended: the evidence proves that it comes last
    TIE_BREAK = "tie_break"  # nothing decides; the same choice everywhere, and the row is unsure
    STALE = "stale"  # the row already shows something later
    SUPERSEDED = "superseded"  # a later event of the same batch was written instead
    AFTER_DELETE = "after_delete"  # deletion and end absorb
    UNCHANGED = "unchanged"  # the row already shows exactly this state
    DUPLICATE = "duplicate"  # this event id has counted before


class Applied(msgspec.Struct, frozen=True):
    """The row shows this event's snapshot."""

    reason: Reason


class Unchanged(msgspec.Struct, frozen=True):
    """The event is the last one, and the row's columns were already so."""


class Duplicate(msgspec.Struct, frozen=True):
    """The event's id has been counted before."""


class Stale(msgspec.Struct, frozen=True):
    """The row shows something later: STALE or AFTER_DELETE."""

    reason: Reason


class Superseded(msgspec.Struct, frozen=True):
    """A later event of the same batch was written instead."""

    by: str


class Asked(msgspec.Struct, frozen=True):
    """A thin event: Stripe is asked for its object, and what it answers is judged in its place."""


class Parked(msgspec.Struct, frozen=True):
    """A subscription waits for its customer's row."""


class RetryAt(msgspec.Struct, frozen=True):
    """Try again, not before `at_ms` (Unix milliseconds); `attempts` have been spent so far."""

    at_ms: int
    attempts: int
    error_class: str


class Dead(msgspec.Struct, frozen=True):
    """A dead letter, for this reason from the catalogue in cogento/events/letters.py."""

    reason: str
    message: str


Outcome = Applied | Unchanged | Duplicate | Stale | Superseded | Asked | Parked | RetryAt | Dead
