"""Outcomes, reasons, rows and letters in plain words: with queue_messages.py the one place where codes become sentences."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from cogento.console.formatting import counted
from cogento.events.addresses import canonical_address
from cogento.events.fence import Fence, Fenced
from cogento.events.outcomes import Outcome, Reason, Source
from cogento.ordering.walks import Why
from cogento.queue.redelivery import Redelivery
from cogento.reconcile.verify_customer import ComparisonState
from cogento.store.letter_records import LetterStatus, RowSince

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.events.names import EventId, ObjectId
    from cogento.ordering.explain import Tie, TiedEvent
    from cogento.queue.fence import KeptOut
    from cogento.store.history import CustomerRecord, LedgerRecord
    from cogento.store.letter_records import Letter, LetterRow

TIED_EVENTS_NAMED = 10
OUTCOMES: dict[str, str] = {
    Outcome.APPLIED: "applied",
    Outcome.UNCHANGED: "no change",
    Outcome.DUPLICATE: "duplicate",
    Outcome.STALE: "out of date",
    Outcome.SUPERSEDED: "skipped",
    Outcome.DEAD: "failed",
}
OUTCOMES_MEAN: dict[str, str] = {
    Outcome.STALE: "a later event had been applied",
    Outcome.SUPERSEDED: "a later event of the same batch was applied instead",
    Outcome.DEAD: "it is a dead letter",
}
"""What to add to an outcome's own word."""

REDELIVERIES = {
    Redelivery.PUT_BACK: "queued again",
    Redelivery.WAITS_ALREADY: "already waiting",
    Redelivery.NOT_OPEN: "left as it is: already being retried, closed, or without its bytes",
    Redelivery.FULL: "not retried: its customer has too many events waiting",
    Redelivery.UNREADABLE: "not retried: the stored payload does not match the event id",
}
SOURCES: dict[str, str] = {
    Source.BACKFILL: "`cogento backfill` wrote it",
    Source.VERIFY: "`cogento verify --repair` wrote it, because the row differed from Stripe",
    Source.FORGET: "`cogento forget` erased the person's data",
}
"""How an answer of Stripe's came into a row without passing through the mailboxes."""

COMPARISONS = {
    ComparisonState.EQUAL: "equal",
    ComparisonState.DIFFERS: "differs",
    ComparisonState.REPAIRED: "repaired",
    ComparisonState.EVENTS_WAIT: "undecided: events are waiting",
    ComparisonState.CHANGING: "undecided: it is changing in Stripe",
    ComparisonState.NOT_IN_STRIPE: "undecided: Stripe returned 404",
    ComparisonState.UNREADABLE: "undecided: it cannot be read",
}

REASONS: dict[str, str] = {
    Reason.FIRST: "first event of this object",
    Reason.NEWER: "newest so far",
    Reason.FOLLOWS: "its previous values show that it is the last of that second",
    Reason.TIE_BREAK: "nothing decides between events of its second: every worker makes the same choice",
    Reason.AFTER_DELETE: "the object had ended before, and an end is final",
}

_OUTLIVED = "its customer is deleted; Stripe cancels a deleted customer's subscriptions at once, and its own end has not come"


def describe_kept_out(kept_out: KeptOut | None) -> str | None:
    """Say which setting keeps every event out; None where none does."""
    if kept_out is None:
        return None
    reason = max(kept_out.counts, key=lambda one: kept_out.counts[one])
    total = sum(kept_out.counts.values())
    return f"none of the last {counted(total, 'event')}: {_KEPT_OUT[reason](kept_out.fence)}"


def _other_mode(fence: Fence) -> str:
    theirs, ours = ("test", "true") if fence.livemode else ("live", "false")
    return f"they are {theirs} events, and STRIPE_LIVEMODE is {ours}"


def _other_account(fence: Fence) -> str:
    if fence.account is None:
        return "they name an account, and STRIPE_ACCOUNT, which says whose events are taken, is unset"
    return f"they are of other accounts than the {fence.account} of STRIPE_ACCOUNT"


def _no_account(fence: Fence) -> str:
    return (
        f"they name no account, and STRIPE_ACCOUNT={fence.account} takes those that name it; "
        "unset it where it is the endpoint's own account"
    )


_KEPT_OUT: dict[Fenced, Callable[[Fence], str]] = {
    Fenced.OTHER_MODE: _other_mode,
    Fenced.OTHER_ACCOUNT: _other_account,
    Fenced.NO_ACCOUNT: _no_account,
}


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of an event: a word or two, and a sentence that adds to them."""

    word: str
    why: str

    def __str__(self) -> str:
        """Both, as part of a sentence."""
        return f"{self.word}: {self.why}" if self.why else self.word


def describe_outcome(row: LedgerRecord) -> EventResult:
    """Say what became of an event, and why, where the outcome's word does not say it."""
    word, why = OUTCOMES.get(row.outcome, row.outcome), OUTCOMES_MEAN.get(row.outcome, "")
    if row.reason == Reason.ASKED:
        word, why = "asked", "it only names its object: Stripe is asked, and the answer counts in its place"
    elif row.superseded_by:
        why = f"{row.superseded_by} in the same batch is newer"
    elif row.reason in REASONS:
        why = f"{why}; {REASONS[row.reason]}" if why else REASONS[row.reason]
    asked_by = SOURCES.get(row.source, "")
    return EventResult(word, "; ".join(filter(None, (why, asked_by))))


def describe_row(row: CustomerRecord | None) -> list[str]:
    """Say what is remarkable about a customer's row."""
    if row is None:
        return ["No database row yet: the customer's own event has not been applied."]
    said = []
    if row.deleted_at is not None:
        said.append("Deleted in Stripe. The row is kept without personal data or roles.")
    elif row.stripe_email is not None and row.email != canonical_address(row.stripe_email):
        said.append(
            "An older customer has the same e-mail address and uses it to sign in; this row has a placeholder address."
        )
    elif row.stripe_email is None:
        said.append("The customer has no e-mail address in Stripe; this row has a placeholder address.")
    return said


def describe_ambiguity(
    object_id: ObjectId, shown: EventId, tie: Tie | None, *, outlives_customer: bool = False
) -> list[str]:
    """Say why a row is unsure, which events may be the last, and why it shows the one that it shows."""
    outlived = [f"It is not known whether {object_id} has ended: {_OUTLIVED}."] if outlives_customer else []
    if tie is None:
        unread = f"It is not known which event of {object_id} is the latest; another release wrote what the row remembers of them."
        return outlived or [unread]
    if outlived and tie.sure:
        return outlived
    said = [
        *outlived,
        f"It is not known which event of {object_id} is the latest: {_describe_doubt(shown, tie)}.",
    ]
    last = [event for event in tie.events if event.may_be_last]
    if len(last) > 1:
        said.append(f"Any of these may be the latest: {_describe_tied(last)}.")
        said.append(f"{shown} is shown: {tie.choice}.")
    return said


def describe_letter(letter: Letter, *, waits: bool | None) -> str:
    """Say where a dead letter is; `waits` says whether its event is in a mailbox, None where Redis does not answer."""
    match letter.status:
        case LetterStatus.OPEN:
            return "Open again: it failed again after a retry." if letter.replays else "Open."
        case LetterStatus.RETRYING if waits is None:
            return "Being retried. Redis could not be read, so it is not known where its event is now."
        case LetterStatus.RETRYING if waits:
            return "Being retried: its event is queued for its customer."
        case LetterStatus.RETRYING:
            return (
                "Being retried. Should its event reach no queue, a worker reopens the letter within a minute."
            )
        case LetterStatus.RESOLVED:
            return f"Retried successfully: {OUTCOMES.get(letter.resolution or '', letter.resolution)}."
        case LetterStatus.DISCARDED:
            return f"Discarded by {letter.resolved_by}: {letter.resolution}"
        case _:
            assert_never(letter.status)


def describe_row_since(letter: Letter, row: LetterRow) -> str:
    """Say whether a row still lacks a dead letter's event, judging by the row itself."""
    shown = f"The row shows {row.shown or 'no event'}"
    if row.shown_at is not None:
        shown = f"{shown} of {row.shown_at:%Y-%m-%d %H:%M:%S} UTC"
    if row.since is not RowSince.ABSENT and letter.removal and not row.has_ended:
        return f"{shown}, and that the object has not ended: this end is still missing."
    match row.since:
        case RowSince.ABSENT:
            said = "No row shows this object: the event is still missing."
        case RowSince.OLDER:
            said = f"{shown}, which is older: this event is still missing."
        case RowSince.THIS:
            said = f"{shown}, this very event: nothing is missing."
        case RowSince.SAME_SECOND:
            said = f"{shown}, the same second: a retry decides which of them is the later one."
        case RowSince.NEWER:
            said = f"{shown}, which is newer: a retry would change nothing."
        case _:
            assert_never(row.since)
    return said


def _describe_doubt(shown: EventId, tie: Tie) -> str:
    if tie.doubted:
        return "Stripe's own answer shows a state that may have been left by the events before it; Stripe is asked again"
    if tie.why in {Why.AMBIGUOUS, Why.BROKEN}:
        return tie.why
    if tie.partial:
        return f"{shown} does not carry the whole object"
    return "what came before these events is in doubt, or more events came at once than a row remembers"


def _describe_tied(events: Sequence[TiedEvent]) -> str:
    named = [_describe_one(event) for event in events[:TIED_EVENTS_NAMED]]
    unnamed = len(events) - len(named)
    return "; ".join([*named, f"and {unnamed} more"] if unnamed else named)


def _describe_one(event: TiedEvent) -> str:
    second = dt.datetime.fromtimestamp(event.created, dt.UTC)
    kind = "with previous values" if event.is_edge else "without previous values"
    return f"{event.event_id} of {second:%Y-%m-%d %H:%M:%S} UTC ({kind})"
