"""Outcomes, reasons, states and waits in plain words: the one place where codes become sentences."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from cogento.console.formatting import ago, counted, duration
from cogento.events.addresses import canonical_address
from cogento.events.fence import Fence, Fenced
from cogento.events.outcomes import Outcome, Reason, Source
from cogento.ordering.walks import Why
from cogento.queue.redelivery import Redelivery
from cogento.queue.status import MailboxState
from cogento.reconcile.verify_customer import ComparisonState
from cogento.store.letter_records import LetterStatus, RowSince

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cogento.events.names import EventId, ObjectId
    from cogento.ordering.explain import Tie, TiedEvent
    from cogento.queue.circuit import OpenCircuit
    from cogento.queue.fence import KeptOut
    from cogento.queue.pauses import Pause
    from cogento.queue.shard_move import ShardCount
    from cogento.queue.status import Listed, MailboxView
    from cogento.queue.worker_registry import Workforce
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
    Redelivery.NOT_OPEN: "not open: already being retried, or closed",
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


def describe_shards(shards: ShardCount, workforce: Workforce) -> str:
    """Say how many shards there are, and how far a change of their number has come."""
    if shards.is_changing:
        moved = f"{shards.customers:,} customers with {shards.events:,} events"
        return f"changing from {shards.former} to {shards.current}: moved {moved} so far"
    others = {count: workers for count, workers in workforce.wishes.items() if count != shards.current}
    if not others:
        return f"{shards.current}"
    wanted = ", ".join(f"{count} for {workers}" for count, workers in others.items())
    workers = f"{wanted} of {workforce.alive} workers"
    return (
        f"{shards.current}; MAILBOX_SHARDS is {workers}, and the number changes once it is the same for all"
    )


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
    kind = "with previous values" if event.is_edge else "without previous values"
    return f"{event.event_id} of {second:%Y-%m-%d %H:%M:%S} UTC ({kind})"


AWAY = {
    "25006": "read-only",
    "42501": "a grant is missing",
    "42P01": "tables are missing",
    "42703": "the tables are older than the workers",
    "42883": "the tables are older than the workers",
    "53100": "its disk is full",
    "53300": "no connection is left",
    "57P03": "starting or shutting down",
}
"""Why workers have stopped, in words where a code says little."""


@dataclass(frozen=True, slots=True)
class QueueContext:
    """What holds for every mailbox: the time, whether all are paused, what workers wait for, and how many workers are alive."""

    now_ms: int
    pause_of_everything: Pause | None
    circuits: Sequence[OpenCircuit]
    workers: int


def describe_mailbox(view: MailboxView, context: QueueContext) -> list[str]:
    """Say what a mailbox waits for; nothing when it is empty and free."""
    now_ms = context.now_ms
    said = []
    if context.pause_of_everything and view.has_events:
        by = describe_pause(context.pause_of_everything, now_ms)
        said.append(f"Everything was paused {by}: `cogento resume --all` resumes it.")
    if view.pause:
        said.append(
            f"Paused {describe_pause(view.pause, now_ms)}: `cogento resume {view.customer_id}` resumes it."
        )
    if view.waiting_total:
        said += [_describe_circuit(circuit, now_ms) for circuit in context.circuits]
        if not context.workers:
            said.append("No worker is running: nothing is processed until one is started.")
    if view.waiting_total and view.state is not None:
        lag = waited(view.waiting[0], now_ms) if view.waiting else ""
        first = f", the first for {lag}" if lag else ""
        said.append(f"{_events(view.waiting_total)}{first}: {_describe_state(view, now_ms)}.")
    if view.state is not MailboxState.SLEEPING and (failed := _failed(view)):
        said.append(f"Earlier, {describe_failure(failed)}.")
    said += _describe_parked(view, now_ms)
    if view.crashes:
        said.append(
            f"Workers crashed {times(view.crashes)} in a row while processing this customer's events."
        )
    return said


def describe_pause(pause: Pause, now_ms: int) -> str:
    """Say who paused it, how long ago, and why: `by ops-1 5 min ago (INC-7)`."""
    who = pause.who or "an operator"
    since = "" if pause.since_ms is None else f" {ago((now_ms - pause.since_ms) / 1000)}"
    return f"by {who}{since}" + (f" ({pause.why})" if pause.why else "")


def describe_failure(event: Listed) -> str:
    """Say how often and why an event failed, or why it waits without having failed."""
    why = " ".join(filter(None, (event.error_class, event.error_code))) or "cause unknown"
    how = f"failed {times(event.attempts)}" if event.attempts else "was postponed"
    return f"{event.event_id} {how} ({why})"


def waited(event: Listed, now_ms: int) -> str:
    """Say how long an event has waited; unknown for one that another release stored."""
    return "" if event.received_ms is None else duration((now_ms - event.received_ms) / 1000)


def _describe_circuit(circuit: OpenCircuit, now_ms: int) -> str:
    known = AWAY.get(circuit.why)
    why = f"{circuit.why}: {known}" if known else circuit.why
    away = duration((now_ms - circuit.since_ms) / 1000)
    if circuit.recovering:
        return f"Workers resume one after the other: {circuit.dependency} was unavailable ({why})."
    return (
        f"Workers are stopped: {circuit.dependency} has been unavailable for {away} ({why}). They resume by "
        f"themselves; the next try is in {_until(circuit.probe_ms, now_ms)}."
    )


def _describe_state(view: MailboxView, now_ms: int) -> str:
    away = duration(abs(now_ms - (view.state_ms or now_ms)) / 1000)
    match view.state:
        case MailboxState.READY:
            return f"queued for {away}"
        case MailboxState.LEASED:
            who = f"worker {view.owner}" if view.owner else "a worker"
            return f"{who} is processing them (lease ends in {away})"
        case MailboxState.SLEEPING:
            failed = _failed(view)
            why = describe_failure(failed) if failed else "it was postponed"
            return f"tried again in {away}, because {why}"
        case _:
            return f"paused for {away}"


def _failed(view: MailboxView) -> Listed | None:
    return next((event for event in view.waiting if event.error_class), None)


def _describe_parked(view: MailboxView, now_ms: int) -> list[str]:
    unreadable = sum(event.received_ms is None for event in view.parked)
    look = (
        "" if view.parked_look_ms is None else f"; looked at again in {_until(view.parked_look_ms, now_ms)}"
    )
    said = []
    if view.parked_total > unreadable:
        parked = _events(view.parked_total - unreadable, verb="waiting for the customer's own event")
        said.append(f"{parked}{look}.")
    if unreadable:
        aside = _events(
            unreadable, verb="set aside for a newer release, which stored what this one cannot read"
        )
        said.append(f"{aside}{look}.")
    return said


def _until(at_ms: int, now_ms: int) -> str:
    return duration(max(at_ms - now_ms, 0) / 1000)


def _events(count: int, *, verb: str = "waiting") -> str:
    return f"1 event is {verb}" if count == 1 else f"{count:,} events are {verb}"


def times(count: int) -> str:
    """`once`, `2 times`."""
    return "once" if count == 1 else f"{count} times"


def describe_workers(versions: Mapping[str, int], idle_seconds: float | None) -> str:
    """Describe the workers in a line: `2 workers (1 of 0.1.0, 1 of 0.2.0), last processed 3 s ago`."""
    alive = sum(versions.values())
    if not alive:
        return "none running"
    workers = "1 worker" if alive == 1 else f"{alive:,} workers"
    settled = "no events processed yet" if idle_seconds is None else f"last processed {ago(idle_seconds)}"
    each = ", ".join(f"{count} of {version}" for version, count in versions.items())
    which = f"version {next(iter(versions))}" if len(versions) == 1 else each
    return f"{workers} ({which}), {settled}"
