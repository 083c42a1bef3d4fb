"""How an event came to us, what became of it, and why: three closed sets of words.

Queue, ledger, totals, metrics, JSON, logs and pages use the same words.
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
    SWEEP = "sweep"  # listed by Stripe, and not brought by a webhook
    FETCH = "fetch"  # made from an object that Stripe was asked for
    VERIFY = "verify"  # made from an object whose row was found to differ; bypasses the queue
    BACKFILL = "backfill"  # made from an object that Stripe listed; bypasses the queue
    SEND = "send"  # by hand: `cogento send`
    FORGET = "forget"  # the deletion of a person whose data was erased: `cogento forget`; bypasses the queue


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"  # the row shows its snapshot
    UNCHANGED = "unchanged"  # it is the last event, and the row showed the same already
    DUPLICATE = "duplicate"  # its id has counted before
    STALE = "stale"  # the row shows something later
    SUPERSEDED = "superseded"  # another event was written instead, or Stripe's answer will be
    DEAD = "dead"  # a dead letter
    PARKED = "parked"  # a subscription that waits in the queue for its customer's row
    RETRY_AT = "retryat"  # it keeps its place in the queue and is tried again later
    ENQUEUED = "mailed"  # of an event that should bypass the queue: it was put into it after all


FINAL_OUTCOMES = (
    Outcome.APPLIED,
    Outcome.UNCHANGED,
    Outcome.DUPLICATE,
    Outcome.STALE,
    Outcome.SUPERSEDED,
    Outcome.DEAD,
)
"""The outcomes that the ledger records; the event leaves the queue."""


class Reason(StrEnum):
    """How the order decision judged an event; for a dead letter the ledger has a LetterReason instead."""

    FIRST = "first"  # nothing was known of the object
    NEWER = "newer"  # its second is greater than every other's
    FOLLOWS = "follows"  # within the tie window, or the object has ended: the evidence proves that it is last
    TIE_BREAK = "tie_break"  # nothing decides; the same choice everywhere, and the row is unsure
    UNCHANGED = "unchanged"  # the row already shows exactly this state
    DUPLICATE = "duplicate"  # this event id has counted before
    STALE = "stale"  # the row already shows something later
    AFTER_DELETE = "after_delete"  # after a deletion or end, no other event counts
    SUPERSEDED = "superseded"  # a later event of the same batch was written instead
    ASKED = "asked"  # a thin event: Stripe is asked for its object, and the answer is judged in its place


class Result(msgspec.Struct, frozen=True):
    """The outcome of one event, and why.

    `superseded_by` is the event that was written instead. A dead one has a `code` for its cause, or a message; one that is tried
    again has failed `attempts` times so far.
    """

    outcome: Outcome
    reason: Reason | LetterReason | FailureClass | None = None
    superseded_by: EventId | None = None
    attempts: int = 0
    code: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the ledger records it, so that the event leaves the queue."""
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
    """Return the result that follows from a reason of the order decision."""
    return Result(_OUTCOMES[reason], reason, superseded_by)
