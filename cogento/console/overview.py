"""What a person wants to know at a glance, and the one sentence that sums it up.

Frozen values and a pure function; poller.py reads the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from cogento.console.formatting import duration
from cogento.console.messages import describe_kept_out
from cogento.queue.durability import warning_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cogento.queue.figures import QueueFigures
    from cogento.store.figures import TableFigures
    from cogento.store.history import NewCustomer, NewSubscription

LATE_SECONDS = 10
FAR_BEHIND_SECONDS = 300
SEND_AGAIN = "Stripe is told to try again; nothing is lost."
WAITING = "Events are received, and wait."


@dataclass(frozen=True, slots=True)
class SecondBucket:
    """One second: events by outcome, and how many waited; None where nobody looked."""

    settled: Mapping[str, int]
    waiting: int | None


@dataclass(frozen=True, slots=True)
class Throughput:
    """Events a second, over the last few."""

    received: float
    settled: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page; `mail` or `tables` is None while its server does not answer, or is in trouble."""

    mail: QueueFigures | None
    tables: TableFigures | None
    throughput: Throughput
    buckets: Sequence[SecondBucket]
    customers: Sequence[NewCustomer]
    subscriptions: Sequence[NewSubscription]
    queue_problem: str | None = None
    tables_problem: str | None = None


class Tone(StrEnum):
    """How a summary looks."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """The sentence at the top of the page."""

    tone: Tone
    word: str
    headline: str
    detail: str


def health_summary(
    mail: QueueFigures | None,
    tables: TableFigures | None,
    *,
    queue_problem: str | None = None,
    tables_problem: str | None = None,
) -> HealthSummary:
    """Sum it up; what needs a person most comes first. Trouble is what a server said that is there."""
    if mail is None:
        return _of_absence("Redis", queue_problem, SEND_AGAIN)
    if tables is None:
        return _of_absence("PostgreSQL", tables_problem, WAITING)
    if mail.halted:
        return HealthSummary(
            Tone.BUSY, "paused", "Everything is paused", "`cogento resume --all` lets it go on."
        )
    return next(_urgent(mail, tables), None) or _otherwise(mail, tables)


def _of_absence(name: str, trouble: str | None, meanwhile: str) -> HealthSummary:
    if trouble is None:
        return HealthSummary(Tone.BAD, "away", f"{name} does not answer", meanwhile)
    return HealthSummary(Tone.BAD, "refused", f"{name} cannot be used", f"{trouble} {meanwhile}")


def _urgent(mail: QueueFigures, tables: TableFigures) -> Iterator[HealthSummary]:
    """Yield what somebody has to do something about now."""
    bad = partial(HealthSummary, Tone.BAD)
    if mail.server is None:
        detail = "Stripe is told to try again: see `GET /readyz?verbose`, or `cogento status`."
        yield bad("refused", "Redis cannot keep what a 2xx promises", detail)
    if not mail.workforce.alive and mail.received_total:
        yield bad("nobody", "No worker takes events", "They are received, and wait.")
    for name, why in mail.waits_for.items():
        yield bad("waiting", f"Workers wait for {name} ({why})", WAITING)
    if mail.kept_out is not None:
        yield bad("fenced", "No event is taken", f"Taken is {describe_kept_out(mail.kept_out)}.")
    if tables.removals:
        headline = "A removal is dead" if tables.removals == 1 else f"{tables.removals:,} removals are dead"
        yield bad("kept", headline, "Somebody keeps what has ended: see the dead letters.")
    if (age := mail.oldest_event_age_seconds or 0) >= FAR_BEHIND_SECONDS:
        yield bad("behind", f"The oldest event has waited {duration(age)}", "Do the workers run?")


def _otherwise(mail: QueueFigures, tables: TableFigures) -> HealthSummary:
    """Sum up what is not urgent, down to that all is well."""
    busy, good = partial(HealthSummary, Tone.BUSY), partial(HealthSummary, Tone.GOOD)
    if dead := tables.dead:
        headline = "A dead letter wants a look" if dead == 1 else f"{dead:,} dead letters want a look"
        return busy("look", headline, "Everything else goes on.")
    if mail.server and (warning := warning_of(mail.server.ack)):
        return busy("memory", "Waiting events are in memory only", f"{warning[0].upper()}{warning[1:]}.")
    if (age := mail.oldest_event_age_seconds or 0) > LATE_SECONDS:
        return busy("busy", f"Catching up: {mail.waiting:,} events wait", f"Behind by {duration(age)}.")
    if not mail.received_total:
        return good("ready", "Ready for the first event", "Nothing has been received yet.")
    return good("in step", "The tables are in step with Stripe", "What was received is applied.")
