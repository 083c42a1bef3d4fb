"""How an event came to us, what became of it, and why: three closed sets, each the same words wherever they are read.

They stand in the queue, the ledger, the totals, metrics, JSON, logs and pages as they stand here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cogento.events.letters import LetterReason
    from cogento.events.names import EventId
    from cogento.retries import FailureClass


class Source(StrEnum):
    """How an event came to us."""

    WEBHOOK = "webhook"
    RETRY = "retry"  # a dead letter that is tried again
    SWEEP = "sweep"  # listed by Stripe, and no webhook had brought it
    FETCH = "fetch"  # made of an object that Stripe was asked for
    VERIFY = "verify"  # made of an object whose row was found to differ; past the queue
    BACKFILL = "backfill"  # made of an object that Stripe listed; past the queue
    SEND = "send"  # by hand: `cogento send`
    FORGET = "forget"  # the end of somebody whose data was erased: `cogento forget`; past the queue


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"  # the row shows its snapshot
    UNCHANGED = "unchanged"  # it is the last one, and the row's columns were already so
    DUPLICATE = "duplicate"  # its id has counted before
    STALE = "stale"  # the row shows something later
    SUPERSEDED = "superseded"  # another event was written instead, or Stripe's answer will be
    DEAD = "dead"  # a dead letter
    PARKED = "parked"  # a subscription that waits in the queue for its customer's row
    RETRY_AT = "retryat"  # it keeps its place in the queue and is tried again later
    ENQUEUED = "mailed"  # of an object past the queue: it was put there after all


FINAL_OUTCOMES = (
    Outcome.APPLIED,
    Outcome.UNCHANGED,
    Outcome.DUPLICATE,
    Outcome.STALE,
    Outcome.SUPERSEDED,
    Outcome.DEAD,
)
"""Those that the ledger knows; the event leaves the queue."""


class Reason(StrEnum):
    """How the order judged an event; of a dead letter the ledger has a LetterReason instead."""

    FIRST = "first"  # nothing was known of the object
    NEWER = "newer"  # its second is greater than every other's
    FOLLOWS = "follows"  # within the tie window, or ended: the evidence proves that it comes last
    TIE_BREAK = "tie_break"  # nothing decides; the same choice everywhere, and the row is unsure
    UNCHANGED = "unchanged"  # the row already shows exactly this state
    DUPLICATE = "duplicate"  # this event id has counted before
    STALE = "stale"  # the row already shows something later
    AFTER_DELETE = "after_delete"  # deletion and end absorb
    SUPERSEDED = "superseded"  # a later event of the same batch was written instead
    ASKED = (
        "asked"  # a thin event: Stripe is asked for its object, and what it answers is judged in its place
    )


class Result(msgspec.Struct, frozen=True):
    """The outcome of one event, and why.

    `superseded_by` is the event that was written instead. A dead one has a `code` of what it died of, or a message;
    one that is tried again has failed `attempts` times so far.
    """

    outcome: Outcome
    reason: Reason | LetterReason | FailureClass | None = None
    superseded_by: EventId | None = None
    attempts: int = 0
    code: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the ledger has it and the event leaves the queue."""
        return self.outcome in FINAL_OUTCOMES


PARKED = Result(Outcome.PARKED)

_OUTCOMES = {
    Reason.FIRST: Outcome.APPLIED,
    Reason.NEWER: Outcome.APPLIED,
    Reason.FOLLOWS: Outcome.APPLIED,
    Reason.TIE_BREAK: Outcome.APPLIED,
    Reason.UNCHANGED: Outcome.UNCHANGED,
    Reason.DUPLICATE: Outcome.DUPLICATE,
    Reason.STALE: Outcome.STALE,
    Reason.AFTER_DELETE: Outcome.STALE,
    Reason.SUPERSEDED: Outcome.SUPERSEDED,
    Reason.ASKED: Outcome.SUPERSEDED,
}


def decided(reason: Reason, superseded_by: EventId | None = None) -> Result:
    """Return the result that a reason of the order comes to."""
    return Result(_OUTCOMES[reason], reason, superseded_by)
