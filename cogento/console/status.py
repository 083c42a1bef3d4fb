"""How things stand: the report of `cogento status`, and the sentence at the top of the overview page.

What waits, what was done, what failed, and what a 2xx is worth, from one reading of queue and tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.console.attention import Tone
from cogento.console.formatting import duration
from cogento.console.messages import describe_kept_out
from cogento.queue.durability import warning_of
from cogento.queue.figures import read_figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cogento.queue.figures import QueueFigures
    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.figures import TableFigures
    from cogento.store.store import Store

LISTED = 5
LATE_SECONDS = 10
FAR_BEHIND_SECONDS = 300
SEND_AGAIN = "Stripe is told to try again; nothing is lost."
WAITING = "Events are received, and wait."


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Events waiting and parked; customers leased, sleeping and paused; unresolved letters; unsure rows.

    `to_ask` are objects that thin events told of and Stripe was not asked for yet.
    `repaired_total` counts what Redis had lost from the line and was put back, `lost_total` events whose bytes it lost.
    `dead_removals` are those letters that end what a row still shows.
    `workers` live, `worker_versions` says how many of each version, and one of them settled mail
    `idle_seconds` ago. Sweeps found `missing_total` events missing, and looked for them up to
    `swept_until_seconds_ago`, the last time `swept_seconds_ago`. `waits_for` names what they have stopped for, and why. Totals since the beginning.
    `waits_longest` has some customers with mail and the age of their first event, in seconds. Paused mail does not count
    there and as the oldest event: the oldest of it has an age of its own.
    `kept_out` says why no event is taken at all, where a setting keeps all of them out.
    Field names are the keys of `cogento status --json`.
    """

    waiting: int
    leased: int
    sleeping: int
    parked: int
    paused: int
    everything_paused: bool
    dead: int
    dead_removals: int
    unsure: int
    oldest_event_age_seconds: float | None
    oldest_paused_age_seconds: float | None
    repaired_total: int
    lost_total: int
    received_total: int
    settled_total: int
    applied_total: int
    ack_durability: str
    ack_means: str
    ack_warning: str | None
    redis: str
    workers: int
    worker_versions: Mapping[str, int]
    idle_seconds: float | None
    waits_longest: Mapping[str, float]
    waits_for: Mapping[str, str]
    kept_out: str | None
    to_ask: int
    missing_total: int
    swept_until_seconds_ago: int | None
    swept_seconds_ago: int | None


def read_status(mailboxes: Mailboxes, store: Store) -> StatusReport:
    """Ask both servers; raises what they raise, and MailboxRefused when Redis cannot keep the promise."""
    facts = mailboxes.check()
    queue, now_ms = read_figures(mailboxes), mailboxes.now_ms()
    tables = runtime.run(store.figures())
    sweeping = tables.sweeping
    return StatusReport(
        waiting=queue.waiting,
        leased=queue.leased,
        sleeping=queue.sleeping,
        parked=queue.parked,
        paused=queue.paused,
        everything_paused=queue.halted,
        dead=tables.dead,
        dead_removals=tables.removals,
        unsure=tables.unsure,
        oldest_event_age_seconds=queue.oldest_event_age_seconds,
        oldest_paused_age_seconds=queue.oldest_paused_age_seconds,
        repaired_total=queue.repaired_total,
        lost_total=queue.lost_total,
        received_total=queue.received_total,
        settled_total=queue.settled_total,
        applied_total=tables.applied_total,
        ack_durability=facts.ack,
        ack_means=facts.ack_means,
        ack_warning=warning_of(facts.ack),
        redis=f"{facts.name} {facts.version}",
        workers=queue.workforce.alive,
        worker_versions=queue.workforce.versions,
        idle_seconds=queue.workforce.idle_seconds,
        waits_longest={
            customer_id: max(now_ms - received_ms, 0) / 1000
            for customer_id, received_ms in mailboxes.waits_longest(limit=LISTED)
        },
        waits_for=queue.waits_for,
        kept_out=describe_kept_out(queue.kept_out),
        to_ask=tables.to_ask,
        missing_total=sweeping.missing,
        swept_until_seconds_ago=_ago(sweeping.watermark, sweeping.now),
        swept_seconds_ago=_ago(sweeping.finished, sweeping.now),
    )


def _ago(second: int | None, now: int) -> int | None:
    return None if second is None else max(now - second, 0)


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """The sentence at the top of the page."""

    tone: Tone
    word: str
    headline: str
    detail: str


def health_summary(
    queue: QueueFigures | None,
    tables: TableFigures | None,
    *,
    queue_problem: str | None = None,
    tables_problem: str | None = None,
) -> HealthSummary:
    """Sum it up; what needs a person most comes first. Trouble is what a server said that is there."""
    if queue is None:
        return _of_absence("Redis", queue_problem, SEND_AGAIN)
    if tables is None:
        return _of_absence("PostgreSQL", tables_problem, WAITING)
    if queue.halted:
        return HealthSummary(
            Tone.BUSY, "paused", "Everything is paused", "`cogento resume --all` lets it go on."
        )
    return next(_urgent(queue, tables), None) or _otherwise(queue, tables)


def _of_absence(name: str, trouble: str | None, meanwhile: str) -> HealthSummary:
    if trouble is None:
        return HealthSummary(Tone.BAD, "away", f"{name} does not answer", meanwhile)
    return HealthSummary(Tone.BAD, "refused", f"{name} cannot be used", f"{trouble} {meanwhile}")


def _urgent(queue: QueueFigures, tables: TableFigures) -> Iterator[HealthSummary]:
    """Yield what somebody has to do something about now."""
    bad = partial(HealthSummary, Tone.BAD)
    if queue.server is None:
        detail = "Stripe is told to try again: see `GET /readyz?verbose`, or `cogento status`."
        yield bad("refused", "Redis cannot keep what a 2xx promises", detail)
    if not queue.workforce.alive and queue.received_total:
        yield bad("nobody", "No worker takes events", "They are received, and wait.")
    for name, why in queue.waits_for.items():
        yield bad("waiting", f"Workers wait for {name} ({why})", WAITING)
    if queue.kept_out is not None:
        yield bad("fenced", "No event is taken", f"Taken is {describe_kept_out(queue.kept_out)}.")
    if tables.removals:
        headline = "A removal is dead" if tables.removals == 1 else f"{tables.removals:,} removals are dead"
        yield bad("kept", headline, "Somebody keeps what has ended: see the dead letters.")
    if (age := queue.oldest_event_age_seconds or 0) >= FAR_BEHIND_SECONDS:
        yield bad("behind", f"The oldest event has waited {duration(age)}", "Do the workers run?")


def _otherwise(queue: QueueFigures, tables: TableFigures) -> HealthSummary:
    """Sum up what is not urgent, down to that all is well."""
    busy, good = partial(HealthSummary, Tone.BUSY), partial(HealthSummary, Tone.GOOD)
    if dead := tables.dead:
        headline = "A dead letter wants a look" if dead == 1 else f"{dead:,} dead letters want a look"
        return busy("look", headline, "Everything else goes on.")
    if queue.server and (warning := warning_of(queue.server.ack)):
        return busy("memory", "Waiting events are in memory only", f"{warning[0].upper()}{warning[1:]}.")
    if (age := queue.oldest_event_age_seconds or 0) > LATE_SECONDS:
        return busy("busy", f"Catching up: {queue.waiting:,} events wait", f"Behind by {duration(age)}.")
    if not queue.received_total:
        return good("ready", "Ready for the first event", "Nothing has been received yet.")
    return good("in step", "The tables are in step with Stripe", "What was received is applied.")
