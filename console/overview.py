"""What a person wants to know at a glance, and the one sentence that sums it up.

Frozen values and a pure function; where they come from is watching.py's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from console.spans import span
from console.workers import Workforce

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailboxes.checks import ServerFacts
    from mailboxes.delays import Histogram
    from schema.letter_records import LetterCount
    from schema.sweeps import Sweeping

LATE_SECONDS = 10
FAR_BEHIND_SECONDS = 300


@dataclass(frozen=True, slots=True)
class MailFigures:
    """The mailboxes: events received, waiting and parked; customers ready, leased, sleeping and paused.

    `waits_for` names what workers have stopped for, and why. `server` is None where it cannot keep the
    promise that is configured.
    """

    received_total: int
    settled_total: int
    waiting: int
    ready: int
    leased: int
    sleeping: int
    parked: int
    paused: int
    halted: bool
    oldest_event_age_seconds: float | None
    waits_for: Mapping[str, str]
    workforce: Workforce
    delays: Sequence[Histogram]
    server: ServerFacts | None


@dataclass(frozen=True, slots=True)
class TableFigures:
    """The tables: events by how they ended, letters nobody has dealt with, rows that are unsure, sweeps.

    `to_ask` are objects that thin events told of and that Stripe has not told of since.
    """

    outcomes: Mapping[str, int]
    letters: Sequence[LetterCount]
    oldest_letter_age_seconds: float | None
    unsure: int
    to_ask: int
    sweeping: Sweeping
    revision: str

    @property
    def dead(self) -> int:
        """Letters that nobody has dealt with."""
        return sum(count.letters for count in self.letters)

    @property
    def removals(self) -> int:
        """Those among them that end what a row still shows."""
        return sum(count.removals for count in self.letters)

    @property
    def applied_total(self) -> int:
        """Events that a row was written from."""
        return self.outcomes["applied"]


@dataclass(frozen=True, slots=True)
class CustomerLine:
    """One row of users, as the overview lists it."""

    customer_id: str
    email: str
    name: str | None
    deleted: bool
    age_seconds: float


@dataclass(frozen=True, slots=True)
class SubscriptionLine:
    """One row of subscriptions, as the overview lists it."""

    subscription_id: str
    status: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Beat:
    """One second: events by outcome, and how many waited; None where nobody looked."""

    settled: Mapping[str, int]
    waiting: int | None


@dataclass(frozen=True, slots=True)
class Pace:
    """Events a second, over the last few."""

    received: float
    settled: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page; `mail` or `tables` is None while its server does not answer."""

    mail: MailFigures | None
    tables: TableFigures | None
    pace: Pace
    beats: Sequence[Beat]
    customers: Sequence[CustomerLine]
    subscriptions: Sequence[SubscriptionLine]


class Tone(StrEnum):
    """How a verdict looks."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence at the top of the page."""

    tone: Tone
    word: str
    headline: str
    detail: str


def judge(mail: MailFigures | None, tables: TableFigures | None) -> Verdict:
    """Sum it up; what needs a person most comes first."""
    if mail is None:
        return Verdict(
            Tone.BAD, "away", "Redis does not answer", "Stripe is told to try again; nothing is lost."
        )
    if tables is None:
        return Verdict(Tone.BAD, "away", "PostgreSQL does not answer", "Events are received, and wait.")
    if mail.halted:
        return Verdict(Tone.BUSY, "paused", "Everything is paused", "`cogento resume --all` lets it go on.")
    return (
        _of_workers(mail)
        or _of_circuits(mail)
        or _of_removals(tables)
        or _of_delay(mail)
        or _of_letters(tables)
        or _of_mail(mail)
    )


def _of_workers(mail: MailFigures) -> Verdict | None:
    if mail.workforce.alive or not mail.received_total:
        return None
    return Verdict(Tone.BAD, "nobody", "No worker takes events", "They are received, and wait.")


def _of_circuits(mail: MailFigures) -> Verdict | None:
    if not mail.waits_for:
        return None
    ((name, why), *_) = mail.waits_for.items()
    return Verdict(Tone.BAD, "waiting", f"Workers wait for {name} ({why})", "Events are received, and wait.")


def _of_removals(tables: TableFigures) -> Verdict | None:
    if not tables.removals:
        return None
    headline = "A removal is dead" if tables.removals == 1 else f"{tables.removals:,} removals are dead"
    return Verdict(Tone.BAD, "kept", headline, "Somebody keeps what has ended: see the dead letters.")


def _of_delay(mail: MailFigures) -> Verdict | None:
    age = mail.oldest_event_age_seconds or 0
    if age < FAR_BEHIND_SECONDS:
        return None
    return Verdict(Tone.BAD, "behind", f"The oldest event has waited {span(age)}", "Do the workers run?")


def _of_letters(tables: TableFigures) -> Verdict | None:
    if not tables.dead:
        return None
    headline = (
        "A dead letter wants a look" if tables.dead == 1 else f"{tables.dead:,} dead letters want a look"
    )
    return Verdict(Tone.BUSY, "look", headline, "Everything else goes on.")


def _of_mail(mail: MailFigures) -> Verdict:
    age = mail.oldest_event_age_seconds or 0
    if age > LATE_SECONDS:
        return Verdict(
            Tone.BUSY, "busy", f"Catching up: {mail.waiting:,} events wait", f"Behind by {span(age)}."
        )
    if not mail.received_total:
        return Verdict(Tone.GOOD, "ready", "Ready for the first event", "Nothing has been received yet.")
    return Verdict(
        Tone.GOOD, "in step", "The tables are in step with Stripe", "What was received is applied."
    )
