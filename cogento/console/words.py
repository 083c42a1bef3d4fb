"""Outcomes, reasons and states in plain words: the one place where codes become sentences."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, assert_never

from cogento.events.addresses import canonical_address
from cogento.events.fence import Fence, Fenced
from cogento.events.outcomes import Reason
from cogento.ordering.walks import Why
from cogento.queue.redelivery import Redelivery
from cogento.store.delivery import BACKFILL, VERIFY
from cogento.store.ledger import ASKED
from cogento.store.letter_records import LetterStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.events.names import EventId, ObjectId
    from cogento.ordering.explain import Tie, TiedEvent
    from cogento.queue.fence import KeptOut
    from cogento.store.history import CustomerRecord, LedgerRecord
    from cogento.store.letter_records import Letter

TIED_EVENTS_NAMED = 10
OUTCOMES = {
    "applied": "the row was written from it",
    "unchanged": "the row already showed exactly this",
    "duplicate": "it had counted before",
    "stale": "the row already showed something later",
    "superseded": "a later event of the same batch was written instead",
    "dead": "it could not be applied and is a dead letter",
}
REDELIVERIES = {
    Redelivery.PUT_BACK: "back in its mailbox",
    Redelivery.WAITS_ALREADY: "waiting in its mailbox already",
    Redelivery.NOT_OPEN: "not open: taken by somebody else, or closed",
    Redelivery.FULL: "left open: its mailbox is full",
    Redelivery.UNREADABLE: "left open: its bytes are not its event",
}
SOURCES = {
    BACKFILL: "`cogento backfill` wrote it",
    VERIFY: "`cogento verify --repair` wrote it, as the row was not what Stripe said",
}
"""How answers of Stripe's came to a row past the mailboxes."""

REASONS: dict[str, str] = {
    Reason.FIRST: "the first that was known of the object",
    Reason.NEWER: "newer than everything known",
    Reason.FOLLOWS: "its previous values prove that it came last in its second",
    Reason.TIE_BREAK: "nothing decides between events of its second: the same choice is made everywhere",
    Reason.AFTER_DELETE: "the object had ended before, and an end is final",
}

_OUTLIVED = "its customer is deleted; Stripe cancels a deleted customer's subscriptions at once, and its own end has not come"


def describe_kept_out(kept_out: KeptOut | None) -> str | None:
    """Say which setting keeps every event out; None where none does."""
    if kept_out is None:
        return None
    reason = max(kept_out.counts, key=lambda one: kept_out.counts[one])
    total = sum(kept_out.counts.values())
    return f"none of the last {total:,} events: {_KEPT_OUT[reason](kept_out.fence)}"


def _other_mode(fence: Fence) -> str:
    theirs, ours = ("test", "true") if fence.livemode else ("live", "false")
    return f"they are {theirs} events, and STRIPE_LIVEMODE is {ours}"


def _other_account(fence: Fence) -> str:
    if fence.account is None:
        return "they name the account that they are of; STRIPE_ACCOUNT says whose are taken, and is unset"
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


def describe_outcome(row: LedgerRecord) -> str:
    """Say what became of an event, and why where there is more to say."""
    asked_by = SOURCES.get(row.source)
    return f"{_describe_result(row)}; {asked_by}" if asked_by else _describe_result(row)


def _describe_result(row: LedgerRecord) -> str:
    if row.reason == ASKED:
        return "it only names its object: Stripe is asked, and the answer counts in its place"
    outcome = OUTCOMES.get(row.outcome, row.outcome)
    if row.superseded_by:
        return f"{outcome}: {row.superseded_by}"
    reason = REASONS.get(row.reason or "")
    return f"{outcome} ({reason})" if reason else outcome


def describe_row(row: CustomerRecord | None) -> list[str]:
    """Say what is remarkable about a customer's row."""
    if row is None:
        return ["There is no row: the customer's own event has not been applied yet."]
    said = []
    if row.deleted_at is not None:
        said.append("Deleted in Stripe: the row stays, its personal data and roles are gone.")
    elif row.stripe_email is not None and row.email != canonical_address(row.stripe_email):
        said.append(
            "An older customer has the same e-mail address and signs in with it; this one shows a stand-in."
        )
    elif row.stripe_email is None:
        said.append("The customer has no e-mail address in Stripe; the row shows a stand-in.")
    return said


def describe_ambiguity(
    object_id: ObjectId, shown: EventId, tie: Tie | None, *, outlives_customer: bool = False
) -> list[str]:
    """Say why a row is unsure, which events can be the last, and why it shows the one that it shows."""
    outlived = [f"The row of {object_id} is unsure: {_OUTLIVED}."] if outlives_customer else []
    if tie is None:
        unread = f"The row of {object_id} is unsure; another release wrote what it remembers of its events."
        return outlived or [unread]
    if outlived and tie.sure:
        return outlived
    said = [*outlived, f"The row of {object_id} is unsure: {_describe_doubt(shown, tie)}."]
    last = [event for event in tie.events if event.may_be_last]
    if len(last) > 1:
        said.append(f"Each of these can be the last: {_describe_tied(last)}.")
        said.append(f"{shown} is shown: {tie.choice}.")
    return said


def describe_letter(letter: Letter, *, waits: bool) -> str:
    """Say how a dead letter stands; `waits` when its event is in a mailbox."""
    match letter.status:
        case LetterStatus.OPEN:
            return "Nobody has dealt with it yet."
        case LetterStatus.RETRYING if waits:
            return "It is on its way back: the event waits in its customer's mailbox."
        case LetterStatus.RETRYING:
            return "It is on its way back. Should its event reach no mailbox, a worker opens it again in a minute."
        case LetterStatus.RESOLVED:
            meaning = OUTCOMES.get(letter.resolution or "", "")
            return f"Its retry ended as {letter.resolution}: {meaning}."
        case LetterStatus.DISCARDED:
            return f"Discarded by {letter.resolved_by}: {letter.resolution}"
        case _:
            assert_never(letter.status)


def _describe_doubt(shown: EventId, tie: Tie) -> str:
    if tie.contradicted:
        return "Stripe's own answer shows a state that its events say was left; it is asked again"
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
    kind = "an edge: tells what it changed" if event.is_edge else "a sighting: tells only what it saw"
    return f"{event.event_id} of {second:%Y-%m-%d %H:%M:%S} UTC ({kind})"
