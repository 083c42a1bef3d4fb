"""The report of `cogento status`, and the level that its `--check` gives a monitor.

From one reading of queue and tables. The figures of a server that is away are left out; the others are given all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from cogento import runtime
from cogento.console.attention import Seen, Tone, Verdict, judge
from cogento.console.dead_letters import LettersInShort, read_letters_in_short
from cogento.console.errors import postgres_problem
from cogento.console.messages import describe_kept_out
from cogento.console.queue_messages import describe_shards
from cogento.queue.durability import warning_of
from cogento.queue.errors import MailboxDenied, MailboxRefused, MailboxUnavailable
from cogento.queue.figures import read_figures
from cogento.retries import FailureClass
from cogento.store.errors import classify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.checks import ServerFacts
    from cogento.queue.figures import QueueFigures
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.waiting import WaitingPage
    from cogento.store.figures import TableFigures
    from cogento.store.store import Store

LISTED = 5
ANSWER_SECONDS = 5


class Level(IntEnum):
    """The level for a monitor, and the exit code of `cogento status --check`: those of Nagios plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Events waiting and parked; customers leased, sleeping and paused; unresolved letters; unsure rows.

    `verdict` says how things stand and what needs attention. Figures from a server that is away are None, and `redis_problem` or
    `postgres_problem` says why.

    `to_ask` are objects that thin events named and that Stripe was not asked for yet.
    `repaired_total` counts mailboxes and events that Redis had lost from the line and that were put back, `lost_total` events whose body it lost.
    `dead_removals` are unresolved letters of events that end an object which its row still shows as not ended.
    `workers` are alive, `worker_versions` says how many of each version, and one of them settled events `idle_seconds` ago;
    `waits_for` names the dependencies for which they have stopped, with the reason. Sweeps found `missing_total` events missing,
    have looked for them up to `swept_until_seconds_ago`, and last ended `swept_seconds_ago`. Totals count since the beginning.
    `waits_longest` has some customers with waiting events and the age of their first one, in seconds. Paused events count neither
    there nor as the oldest event; the oldest paused event has an age of its own. `kept_out` says why no event is taken at all,
    where a setting keeps all of them out, `bad_signatures` how many webhooks no secret signed while none was good, `key_refused`
    that Stripe refuses the API key. `shards` says how many there are, and how far a change of their number has come. Field names
    are the keys of `cogento status --json`.
    """

    verdict: Verdict
    redis_problem: str | None
    postgres_problem: str | None
    waiting: int | None = None
    leased: int | None = None
    sleeping: int | None = None
    parked: int | None = None
    paused: int | None = None
    everything_paused: bool | None = None
    dead: int | None = None
    dead_removals: int | None = None
    unsure: int | None = None
    oldest_event_age_seconds: float | None = None
    oldest_paused_age_seconds: float | None = None
    repaired_total: int | None = None
    lost_total: int | None = None
    received_total: int | None = None
    settled_total: int | None = None
    applied_total: int | None = None
    ack_durability: str | None = None
    ack_means: str | None = None
    ack_warning: str | None = None
    redis: str | None = None
    workers: int | None = None
    worker_versions: Mapping[str, int] | None = None
    idle_seconds: float | None = None
    waits_longest: Mapping[str, float] | None = None
    waits_for: Mapping[str, str] | None = None
    kept_out: str | None = None
    bad_signatures: int | None = None
    key_refused: bool | None = None
    shards: str | None = None
    to_ask: int | None = None
    missing_total: int | None = None
    swept_until_seconds_ago: int | None = None
    swept_seconds_ago: int | None = None

    @property
    def level(self) -> Level:
        """How bad it is: critical is what cannot wait until morning, as in docs/alerts.yml."""
        if any(line.pages for line in self.verdict.lines):
            return Level.CRITICAL
        return Level.OK if self.verdict.tone is Tone.GOOD else Level.WARNING


@dataclass(frozen=True, slots=True)
class Status:
    """The report, and the errors of servers that are away or refuse, for a command that ends with them."""

    report: StatusReport
    errors: Sequence[Exception]


def read_status(mailboxes: Mailboxes, store: Store) -> Status:
    """Query both servers; an error of either is part of the result, except an unexpected one, which is raised."""
    queue_error, figures, tables_error, tables = None, None, None, None
    try:
        figures = _read_queue(mailboxes)
    except (MailboxRefused, MailboxUnavailable) as error:
        queue_error = error
    try:
        tables = runtime.run(_read_tables(store), timeout_seconds=ANSWER_SECONDS)
    except Exception as error:
        if classify(error) is FailureClass.BUG:
            raise
        tables_error = error
    told = isinstance(queue_error, MailboxRefused | MailboxDenied)
    refusal = figures.refusal if figures else None
    seen = Seen(
        queue=figures.figures if figures else None,
        tables=tables.figures if tables else None,
        queue_problem=str(queue_error) if told else None,
        tables_problem=postgres_problem(tables_error) if tables_error else None,
        waiting=figures.waiting if figures else None,
        causes=tables.letters.causes if tables else (),
        not_ended=tables.letters.not_ended if tables else {},
    )
    report = StatusReport(
        judge(seen),
        _problem("Redis", queue_error or refusal, seen.queue_problem or (str(refusal) if refusal else None)),
        _problem("PostgreSQL", tables_error, seen.tables_problem),
        **(_of_queue(figures) if figures else {}),
        **(_of_tables(tables.figures) if tables else {}),
    )
    return Status(report, [error for error in (queue_error, refusal, tables_error) if error])


def _problem(name: str, error: Exception | None, said: str | None) -> str | None:
    return None if error is None else said or f"{name} is unreachable."


@dataclass(frozen=True, slots=True)
class _QueueReading:
    figures: QueueFigures
    facts: ServerFacts | None
    refusal: MailboxRefused | None
    waiting: WaitingPage
    waits_longest: Mapping[str, float]


def _read_queue(mailboxes: Mailboxes) -> _QueueReading:
    refusal, facts = None, None
    try:
        facts = runtime.run(mailboxes.check())
    except MailboxRefused as refused:
        refusal = refused
    figures, now_ms = runtime.run(read_figures(mailboxes)), runtime.run(mailboxes.now_ms())
    longest: dict[str, float] = {
        customer_id: max(now_ms - received_ms, 0) / 1000
        for customer_id, received_ms in runtime.run(mailboxes.waits_longest(limit=LISTED))
    }
    return _QueueReading(figures, facts, refusal, runtime.run(mailboxes.waiting(limit=LISTED)), longest)


@dataclass(frozen=True, slots=True)
class _TableReading:
    figures: TableFigures
    letters: LettersInShort


async def _read_tables(store: Store) -> _TableReading:
    figures = await store.figures()
    return _TableReading(figures, await read_letters_in_short(store.letters, figures))


def _of_queue(reading: _QueueReading) -> dict[str, Any]:
    queue, facts = reading.figures, reading.facts
    return {
        "waiting": queue.waiting,
        "leased": queue.leased,
        "sleeping": queue.sleeping,
        "parked": queue.parked,
        "paused": queue.paused,
        "everything_paused": queue.everything_paused,
        "oldest_event_age_seconds": queue.oldest_event_age_seconds,
        "oldest_paused_age_seconds": queue.oldest_paused_age_seconds,
        "repaired_total": queue.repaired_total,
        "lost_total": queue.lost_total,
        "received_total": queue.received_total,
        "settled_total": queue.settled_total,
        "ack_durability": facts and facts.ack,
        "ack_means": facts and facts.ack_means,
        "ack_warning": facts and warning_of(facts.ack),
        "redis": facts and f"{facts.name} {facts.version}",
        "workers": queue.workforce.alive,
        "worker_versions": queue.workforce.versions,
        "idle_seconds": queue.workforce.idle_seconds,
        "waits_longest": reading.waits_longest,
        "waits_for": queue.waits_for,
        "kept_out": describe_kept_out(queue.kept_out),
        "bad_signatures": queue.bad_signatures,
        "key_refused": queue.key_refused,
        "shards": describe_shards(queue.shards, queue.workforce),
    }


def _of_tables(tables: TableFigures) -> dict[str, Any]:
    sweeping = tables.sweeping
    return {
        "dead": tables.dead,
        "dead_removals": tables.removals,
        "unsure": tables.unsure,
        "applied_total": tables.applied_total,
        "to_ask": tables.to_ask,
        "missing_total": sweeping.missing,
        "swept_until_seconds_ago": _ago(sweeping.watermark, sweeping.now),
        "swept_seconds_ago": _ago(sweeping.finished, sweeping.now),
    }


def _ago(second: int | None, now: int) -> int | None:
    return None if second is None else max(now - second, 0)
