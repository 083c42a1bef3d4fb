"""What needs a person's attention, in the order in which to look at it; for the overview and for `cogento status`.

Pure: figures in, lines out. What is deliberate (a pause) or resolves itself (a retry) is amber, and hides nothing that is red.
Knows nothing of URLs: each line names the page that shows more, and the filter for it.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.console.formatting import ago, counted, duration
from cogento.console.messages import describe_kept_out
from cogento.console.queue_messages import AWAY, describe_pause
from cogento.queue.durability import warning_of
from cogento.queue.waiting import WaitingState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cogento.queue.figures import QueueFigures
    from cogento.queue.waiting import WaitingCustomer, WaitingPage
    from cogento.store.figures import TableFigures
    from cogento.store.letter_records import LetterCause

CRASHES_IN_A_ROW = 2
"""One crash may be any worker that was killed; from two on the customer's events are the likely cause, and it is claimed alone."""

ENDS_NAMED = 3
LATE_SECONDS = 10
FAR_BEHIND_SECONDS = 300
LONG_WITHOUT_CUSTOMER_SECONDS = 3600
SWEEP_OVERDUE_SECONDS = 3600
TRIED_AGAIN = "Stripe gets 503 and will retry; nothing is lost."
KEY_REFUSED = (
    "Stripe refuses the API key: what no webhook brings, thin events name or events leave open is not asked for. "
    "`cogento check` says what is wrong with it."
)
RECEIVED_STILL = "Events are still received and queued."


class Tone(StrEnum):
    """How a line looks: green, amber or red; a line without a colour is for information."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    NONE = ""


URGENCY = (Tone.BAD, Tone.BUSY, Tone.NONE)


class Area(StrEnum):
    """The page that shows more."""

    WAITING = "waiting"
    LETTERS = "letters"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Attention:
    """One line: a label of a word or two, a sentence, since when (Unix seconds), and where to look."""

    tone: Tone
    label: str
    text: str
    area: Area
    since: float | None = None
    filter: Mapping[str, str] = field(default_factory=dict)

    @property
    def pages(self) -> bool:
        """Whether it cannot wait until morning, as in docs/alerts.yml: every red line except dead letters that end no object."""
        return self.tone is Tone.BAD and (self.area is not Area.LETTERS or "removals" in self.filter)

    @property
    def name(self) -> str:
        """Its name whatever the count: the label without the number."""
        return re.sub(r"^[\d,]+ (\w+?)s?$", r"\1", self.label)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The headline over the lines."""

    tone: Tone
    headline: str
    detail: str
    lines: Sequence[Attention]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The facts to judge; `queue` or `tables` is None while its server does not answer or is in trouble.

    `waiting` names some of the customers whose events wait, `causes` the most frequent causes of unresolved letters, `not_ended`
    objects whose end is among these letters, and how many of them each has; `recovered` counts missed events that were brought back.
    """

    queue: QueueFigures | None
    tables: TableFigures | None
    queue_problem: str | None = None
    tables_problem: str | None = None
    waiting: WaitingPage | None = None
    causes: Sequence[LetterCause] = ()
    not_ended: Mapping[str, int] = field(default_factory=dict)
    recovered: int = 0


def judge(seen: Seen) -> Verdict:
    """Say how things stand: a headline, and what needs attention, red before amber before the rest."""
    lines = sorted(_lines(seen), key=lambda line: URGENCY.index(line.tone))
    needed = [line for line in lines if line.tone is not Tone.NONE]
    if needed:
        things = "1 thing needs" if len(needed) == 1 else f"{len(needed)} things need"
        queue = seen.queue
        goes_on = (
            queue
            and seen.tables
            and queue.workforce.alive
            and not (queue.waits_for or queue.everything_paused)
        )
        detail = "Other events are processed normally." if goes_on else ""
        return Verdict(needed[0].tone, f"{things} attention", detail, lines)
    if seen.queue and not seen.queue.received_total:
        return Verdict(Tone.GOOD, "Ready for the first event", "Nothing has been received yet.", lines)
    return Verdict(Tone.GOOD, "Everything is in sync", "Every received event has been processed.", lines)


def _lines(seen: Seen) -> Iterator[Attention]:
    if seen.queue is None:
        yield _away("Redis", seen.queue_problem, TRIED_AGAIN)
    if seen.tables is None:
        yield _away("PostgreSQL", seen.tables_problem, RECEIVED_STILL)
    if seen.queue is not None:
        yield from _of_workers(seen.queue)
    if seen.tables is not None:
        yield from _of_letters(seen.tables, seen.causes, seen.not_ended)
    if seen.queue is not None and seen.waiting is not None:
        yield from _of_waiting(seen.queue, seen.waiting)
    if seen.queue is not None and seen.queue.server and (warning := warning_of(seen.queue.server.ack)):
        yield Attention(Tone.BUSY, "in memory", f"{warning[0].upper()}{warning[1:]}.", Area.SYSTEM)
    if seen.tables is not None:
        yield from _of_tables(seen.tables, seen.recovered)


def _away(name: str, problem: str | None, meanwhile: str) -> Attention:
    what = f"{name} is unreachable." if problem is None else f"{name} cannot be used: {problem}"
    return Attention(Tone.BAD, name, f"{what} {meanwhile}", Area.SYSTEM)


def _of_workers(queue: QueueFigures) -> Iterator[Attention]:
    if queue.server is None:
        text = "Redis cannot keep what a 2xx promises; Stripe gets 503 and will retry. `cogento status` says what to do."
        yield Attention(Tone.BAD, "no promise", text, Area.SYSTEM)
    if not queue.workforce.alive and queue.received_total:
        beats = [worker.beat_ms / 1000 for worker in queue.workforce.seen]
        text = f"No worker is running. {RECEIVED_STILL}"
        yield Attention(Tone.BAD, "no worker", text, Area.SYSTEM, max(beats, default=None))
    for name, why in queue.waits_for.items():
        known = f"{why}: {AWAY[why]}" if why in AWAY else why
        text = f"Workers are stopped: {name} is unavailable ({known}). They resume by themselves. {RECEIVED_STILL}"
        yield Attention(Tone.BAD, "circuit open", text, Area.SYSTEM)
    if queue.kept_out is not None:
        text = f"No event is taken: {describe_kept_out(queue.kept_out)}."
        yield Attention(Tone.BAD, "not taken", text, Area.SYSTEM)
    if queue.bad_signatures:
        what = "1 webhook was" if queue.bad_signatures == 1 else f"{queue.bad_signatures:,} webhooks were"
        text = f"{what} refused for the signature, and none was good. Is the signing secret this endpoint's?"
        yield Attention(Tone.BUSY, "bad signatures", text, Area.SYSTEM)
    if queue.key_refused:
        yield Attention(Tone.BUSY, "key refused", KEY_REFUSED, Area.SYSTEM)


def _of_letters(
    tables: TableFigures, causes: Sequence[LetterCause], not_ended: Mapping[str, int]
) -> Iterator[Attention]:
    if tables.removals:
        # An object may have several letters, of its cancellation and of its deletion: it is one thing that did not end.
        removals = max(tables.removals - sum(not_ended.values()), 0) + len(not_ended)
        what = "1 cancellation or deletion" if removals == 1 else f"{removals:,} cancellations or deletions"
        named = list(not_ended)[:ENDS_NAMED]
        unnamed = removals - len(named)
        objects = [*named, f"{unnamed:,} more"] if named and unnamed > 0 else named
        of = f" of {', '.join(objects)}" if objects else ""
        text = f"{what}{of} could not be applied: what has ended in Stripe is still shown as if it had not."
        first = min((count.oldest.timestamp() for count in tables.letters if count.removals), default=None)
        yield Attention(Tone.BAD, "access not removed", text, Area.LETTERS, first, {"removals": "1"})
    told = 0
    for cause in causes if tables.dead else ():
        told += cause.letters
        known = ", ".join(filter(None, (cause.constraint_name, cause.failure_code)))
        code = f" ({known})" if known else ""
        first = cause.first_died_at.timestamp()
        by_cause = {"fingerprint": cause.fingerprint}
        text = f"{cause.event_type}: {cause.message.rstrip('.')}{code}."
        yield Attention(Tone.BAD, counted(cause.letters, "letter"), text, Area.LETTERS, first, by_cause)
    if tables.dead > told:
        text = "Dead letters of other causes." if told else "Open dead letters."
        yield Attention(Tone.BAD, counted(tables.dead - told, "letter"), text, Area.LETTERS)


def _of_waiting(queue: QueueFigures, waiting: WaitingPage) -> Iterator[Attention]:
    rows: dict[WaitingState, list[WaitingCustomer]] = {state: [] for state in WaitingState}
    for row in waiting.rows:
        rows[row.state].append(row)
        if row.crashes >= CRASHES_IN_A_ROW:
            text = f"{row.crashes} workers in a row crashed while processing {row.customer_id}."
            yield Attention(Tone.BAD, "crashes", text, Area.WAITING, None, {"customer": row.customer_id})
    if waiting.everything:
        by = describe_pause(waiting.everything, waiting.now_ms)
        text = f"Everything was paused {by}; {counted(queue.waiting, 'event')} held."
        yield Attention(Tone.BUSY, "all paused", text, Area.WAITING, _seconds(waiting.everything.since_ms))
    elif rows[WaitingState.QUEUED]:
        yield from _of_queued(queue, rows[WaitingState.QUEUED], waiting.now_ms)
    if paused := rows[WaitingState.PAUSED]:
        yield _of_paused(paused, waiting)
    if retrying := rows[WaitingState.RETRYING]:
        yield _of_retrying(retrying, waiting)
    yield from _of_unknown(rows[WaitingState.WAITING_FOR_CUSTOMER], waiting)


def _of_queued(queue: QueueFigures, queued: Sequence[WaitingCustomer], now_ms: int) -> Iterator[Attention]:
    """Say how long the line for a worker is; customers that are paused or retrying are not in it."""
    age = max(now_ms - min(row.since_ms or now_ms for row in queued), 0) / 1000
    if age <= LATE_SECONDS:
        return
    is_bad = age >= FAR_BEHIND_SECONDS
    text = f"Processing is {duration(age)} behind; {counted(queue.waiting, 'event')} waiting."
    yield Attention(
        Tone.BAD if is_bad else Tone.BUSY,
        "behind" if is_bad else "catching up",
        text,
        Area.WAITING,
        filter={"state": WaitingState.QUEUED},
    )


def _of_unknown(parked: Sequence[WaitingCustomer], waiting: WaitingPage) -> Iterator[Attention]:
    """Name customers whose own event is missing, once that takes long."""
    state = WaitingState.WAITING_FOR_CUSTOMER
    oldest_ms = min((row.oldest_ms for row in parked if row.oldest_ms), default=waiting.now_ms)
    age = (waiting.now_ms - oldest_ms) / 1000
    if age >= LONG_WITHOUT_CUSTOMER_SECONDS:
        text = f"Events have waited {duration(age)} for their customer's own event, which has not arrived."
        label = f"{waiting.customers[state]:,} unknown"
        yield Attention(Tone.BUSY, label, text, Area.WAITING, oldest_ms / 1000, {"state": state})


def _of_paused(paused: Sequence[WaitingCustomer], waiting: WaitingPage) -> Attention:
    first, others = paused[0], waiting.unlisted(WaitingState.PAUSED)
    events = sum(row.events for row in paused)
    oldest = min((row.oldest_ms for row in paused if row.oldest_ms), default=None)
    held = f"{counted(events, 'event')} held" if not others else f"{events:,} events held, or more"
    if oldest is not None:
        held = f"{held}, the oldest for {duration(max(waiting.now_ms - oldest, 0) / 1000)}"
    reasons = {(row.who, row.why) for row in paused}
    by = f"by {first.who or 'an operator'}" + (f": “{first.why}”" if first.why else ", no reason given")
    text = f"{held}; {by}" + (" and others." if others or len(reasons) > 1 else ".")
    label = f"{waiting.customers[WaitingState.PAUSED]:,} paused"
    filter_ = {"state": WaitingState.PAUSED}
    return Attention(Tone.BUSY, label, text, Area.WAITING, _seconds(first.since_ms), filter_)


def _of_retrying(retrying: Sequence[WaitingCustomer], waiting: WaitingPage) -> Attention:
    first = max(retrying, key=lambda row: row.attempts)
    why = first.why or "put off"
    code = first.why.rpartition(" ")[2]
    known = f" ({AWAY[code]})" if code in AWAY else ""
    left = duration(max((first.next_ms or waiting.now_ms) - waiting.now_ms, 0) / 1000)
    text = f"{first.customer_id}: {why}{known}, {counted(first.attempts, 'attempt')}, the next in {left}."
    label = f"{waiting.customers[WaitingState.RETRYING]:,} retrying"
    filter_ = {"state": WaitingState.RETRYING}
    return Attention(Tone.BUSY, label, text, Area.WAITING, _seconds(first.oldest_ms), filter_)


def _of_tables(tables: TableFigures, recovered_events: int) -> Iterator[Attention]:
    sweeping = tables.sweeping
    if sweeping.finished is not None and sweeping.now - sweeping.finished > SWEEP_OVERDUE_SECONDS:
        text = f"Missed events were last looked for {ago(sweeping.now - sweeping.finished)}."
        yield Attention(Tone.BUSY, "sweep overdue", text, Area.SYSTEM, float(sweeping.finished))
    if recovered_events:
        text = "Missed webhooks of the last 24 h, brought back from Stripe"
        if sweeping.watermark is not None:
            text += f", checked up to {dt.datetime.fromtimestamp(sweeping.watermark, dt.UTC):%H:%M} UTC"
        yield Attention(Tone.NONE, f"{recovered_events:,} recovered", f"{text}.", Area.SYSTEM)
    if tables.unsure:
        rows = "1 row whose" if tables.unsure == 1 else f"{tables.unsure:,} rows whose"
        text = f"{rows} last event Stripe's events leave open."
        yield Attention(Tone.NONE, f"{tables.unsure:,} ambiguous", text, Area.SYSTEM)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000
