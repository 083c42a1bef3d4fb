"""Polls queue and tables once a second, and keeps the last two minutes and each minute's totals of a day, so that pages need not ask.

One thread polls, however many read; a page costs the servers nothing except its own explanations. A server that does not answer
leaves a gap in the picture and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import structlog
from msgspec.structs import replace as replace_struct

from cogento import runtime
from cogento.console.dead_letters import LettersInShort, read_letters_in_short
from cogento.console.errors import postgres_problem
from cogento.console.timeline import MINUTE, Bucket, shares
from cogento.queue.errors import MailboxDenied, MailboxUnavailable
from cogento.queue.figures import read_figures
from cogento.queue.minutes import MINUTES_KEPT, MinuteTotals
from cogento.retries import FailureClass
from cogento.store.errors import classify
from cogento.store.history import SettledCount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.figures import QueueFigures
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.waiting import WaitingPage
    from cogento.store.figures import TableFigures
    from cogento.store.history import NewCustomer, NewSubscription
    from cogento.store.letter_records import LetterCause, LetterCount
    from cogento.store.store import Store

SECONDS_SHOWN = 120
THROUGHPUT_SECONDS = 10
LINES_SHOWN = 8
DETAILS_EVERY_SECONDS = 5
"""How often waiting customers and letters' causes are read: that costs more than a figure, and only people read it."""
CUSTOMERS_NAMED = 20
ANSWER_SECONDS = 5.0
FIRST_POLL_SECONDS = 2.0
"""How long a page waits for the first poll: without waiting it would show servers as away that were not asked yet."""

# How far back changed rows are looked for: to the last poll, and by the time that a transaction may take to commit.
COMMIT_SECONDS = 2
FIRST_LOOK_BACK_SECONDS = 600

T = TypeVar("T")

_log = structlog.get_logger()


class StatusPoller:
    """Remembers the last two minutes; safe for any number of threads that read."""

    def __init__(self, mailboxes: Mailboxes, store: Store, *, every_seconds: int = 1) -> None:
        self._mailboxes = mailboxes
        self._every_seconds = every_seconds
        self._store = store
        self._history = RecentHistory()
        self._seen = self._history.overview()
        self._lock = threading.Lock()
        self._has_polled = threading.Event()
        self._has_polled.set()
        self._look_back_seconds = FIRST_LOOK_BACK_SECONDS
        self._counted: tuple[int, Mapping[str, int]] | None = None  # the totals, at the second of a sample
        self._minutes: dict[int, MinuteTotals] | None = None  # None before the kept ones were read from Redis
        self._waiting: tuple[int, WaitingPage] | None = None
        self._letters: tuple[int, Sequence[LetterCount], LettersInShort] = (0, (), LettersInShort())

    def start(self) -> None:
        """Poll at this interval from now on, in a thread of this process."""
        self._has_polled.clear()
        threading.Thread(target=self._repeat, name="poller", daemon=True).start()

    def poll(self) -> None:
        """Poll once; that a server is away is part of the sample."""
        sample = StatusSample(second=int(time.time()))
        try:
            sample = replace(
                sample,
                queue=runtime.run(read_figures(self._mailboxes)),
                waiting=self._read_waiting(sample.second),
            )
        except MailboxDenied as denied:
            sample = replace(sample, queue_problem=str(denied))
        except MailboxUnavailable:
            pass
        try:
            sample = runtime.run(self._read_tables(sample), timeout_seconds=ANSWER_SECONDS)
        except Exception as error:
            if classify(error) is FailureClass.BUG:
                raise
            sample = replace(sample, tables_problem=postgres_problem(error))
        sample = replace(sample, minutes=self._keep_minute(sample))
        with self._lock:
            self._history.add(sample)
            self._seen = self._history.overview()

    def overview(self) -> Overview:
        """Return what was seen, added up; right after the start it waits for the first poll."""
        self._has_polled.wait(FIRST_POLL_SECONDS)
        with self._lock:
            return self._seen

    async def _read_tables(self, sample: StatusSample) -> StatusSample:
        # The long period is tried once: where ten minutes are too much to read in time, the short period stays.
        back, self._look_back_seconds = self._look_back_seconds, self._every_seconds + COMMIT_SECONDS
        recent = self._store.recent
        tables = await self._store.figures()
        if self._counted is None:
            settled = await recent.pace(look_back_seconds=back)
        else:
            settled = _growth(*self._counted, until=sample.second, after=tables.outcomes)
        letters = await self._read_letters(sample.second, tables)
        seen = replace(
            sample,
            tables=tables,
            settled=settled,
            causes=letters.causes,
            not_ended=letters.not_ended,
            customers=await recent.customers(look_back_seconds=back, limit=LINES_SHOWN),
            subscriptions=await recent.subscriptions(look_back_seconds=back, limit=LINES_SHOWN),
        )
        self._counted = (sample.second, tables.outcomes)
        return seen

    def _read_waiting(self, second: int) -> WaitingPage:
        if self._waiting is None or second >= self._waiting[0] + DETAILS_EVERY_SECONDS:
            self._waiting = (second, runtime.run(self._mailboxes.waiting(limit=CUSTOMERS_NAMED)))
        return self._waiting[1]

    async def _read_letters(self, second: int, tables: TableFigures) -> LettersInShort:
        """Read the causes of unresolved letters and the objects that they leave unended, when other letters are unresolved than before."""
        read_at, counted, letters = self._letters
        if tables.letters != counted and second >= read_at + DETAILS_EVERY_SECONDS:
            letters = await read_letters_in_short(self._store.letters, tables)
            self._letters = (second, tables.letters, letters)
        return letters

    def _keep_minute(self, sample: StatusSample) -> Sequence[MinuteTotals]:
        """Keep the totals of a minute that has begun, here and in Redis, where the next console finds them."""
        minute = sample.second // MINUTE
        known_minutes = self._minutes or {}
        try:
            if self._minutes is None:
                known_minutes = {one.minute: one for one in runtime.run(self._mailboxes.minutes.kept())}
            known = known_minutes.get(minute)
            if sample.queue and (known is None or (known.outcomes is None and sample.tables)):
                totals = MinuteTotals(minute, sample.queue.received_total, sample.queue.waiting)
                if sample.tables:
                    missing = sample.tables.sweeping.missing
                    outcomes = dict(sample.tables.outcomes)
                    totals = replace_struct(totals, outcomes=outcomes, missing=missing)
                runtime.run(self._mailboxes.minutes.keep(totals))
                known_minutes[minute] = totals
        except MailboxUnavailable:
            return tuple(known_minutes.values())
        kept = range(minute - MINUTES_KEPT, minute + 1)
        self._minutes = {one: known_minutes[one] for one in sorted(known_minutes) if one in kept}
        return tuple(self._minutes.values())

    def _repeat(self) -> None:
        """Poll at the beginning of each interval, usually a second, so that each one is polled once."""
        while True:
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001 - a mistake in one poll must not end the thread
                _log.error("poll_failed", exc_info=error)
            self._has_polled.set()
            time.sleep(self._every_seconds - time.time() % self._every_seconds)


def _growth(
    since: int, before: Mapping[str, int], *, until: int, after: Mapping[str, int]
) -> list[SettledCount]:
    """Return by how much totals have grown between two polls, spread evenly over the seconds between them."""
    seconds = range(since, until) or range(since, since + 1)
    return [
        SettledCount(second, outcome, share)
        for outcome, total in after.items()
        for second, share in zip(seconds, shares(total - before[outcome], len(seconds)), strict=True)
        if share
    ]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Events a second, over the last few seconds."""

    received: float
    settled: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page; `queue` or `tables` is None while its server does not answer, or is in trouble.

    `second` is the Unix time of the reading, `waiting` names some of the customers whose events wait, `causes` are the most
    frequent causes of unresolved letters, `not_ended` objects whose end is among these letters, and how many of them each has.
    """

    queue: QueueFigures | None
    tables: TableFigures | None
    throughput: Throughput
    buckets: Sequence[Bucket]
    customers: Sequence[NewCustomer]
    subscriptions: Sequence[NewSubscription]
    queue_problem: str | None = None
    tables_problem: str | None = None
    second: int = 0
    waiting: WaitingPage | None = None
    causes: Sequence[LetterCause] = ()
    not_ended: Mapping[str, int] = field(default_factory=dict)
    minutes: Sequence[MinuteTotals] = ()


@dataclass(frozen=True, slots=True)
class StatusSample:
    """What both servers said at a Unix second; for one that is away or in trouble, None and empty lists."""

    second: int
    queue: QueueFigures | None = None
    tables: TableFigures | None = None
    settled: Sequence[SettledCount] = ()
    customers: Sequence[NewCustomer] = ()
    subscriptions: Sequence[NewSubscription] = ()
    queue_problem: str | None = None
    tables_problem: str | None = None
    waiting: WaitingPage | None = None
    causes: Sequence[LetterCause] = ()
    not_ended: Mapping[str, int] = field(default_factory=dict)
    minutes: Sequence[MinuteTotals] = ()


@dataclass(slots=True)
class RecentHistory:
    """The samples of the last two minutes; not safe for threads."""

    samples: deque[StatusSample] = field(default_factory=lambda: deque(maxlen=SECONDS_SHOWN))
    settled: dict[int, dict[str, int]] = field(default_factory=dict)
    customers: dict[str, tuple[float, NewCustomer]] = field(default_factory=dict)
    subscriptions: dict[str, tuple[float, NewSubscription]] = field(default_factory=dict)

    def add(self, sample: StatusSample) -> None:
        """Keep a sample. Samples do not overlap, so counts of the same second are added."""
        self.samples.append(sample)
        for count in sample.settled:
            counted = self.settled.setdefault(count.second, {})
            counted[count.outcome] = counted.get(count.outcome, 0) + count.events
        for second in [second for second in self.settled if second < sample.second - SECONDS_SHOWN]:
            del self.settled[second]
        for customer in sample.customers:
            self.customers[customer.customer_id] = (sample.second - customer.age_seconds, customer)
        for subscription in sample.subscriptions:
            self.subscriptions[subscription.subscription_id] = (
                sample.second - subscription.age_seconds,
                subscription,
            )
        self.customers = dict(_newest(self.customers))
        self.subscriptions = dict(_newest(self.subscriptions))

    def overview(self) -> Overview:
        """Add the samples up, as of the latest one."""
        if not self.samples:
            return Overview(None, None, Throughput(0, 0), (), (), ())
        latest = self.samples[-1]
        waiting = {sample.second: sample.queue.waiting for sample in self.samples if sample.queue}
        totals = [(sample.second, sample.queue.received_total) for sample in self.samples if sample.queue]
        received_in = _received(totals)
        # The second under way is left out, or it would always look slow.
        buckets = [
            Bucket(self.settled.get(second, {}), waiting.get(second), received_in.get(second))
            for second in range(latest.second - SECONDS_SHOWN, latest.second)
        ]
        settled = sum(sum(bucket.settled.values()) for bucket in buckets[-THROUGHPUT_SECONDS:])
        received = 0.0
        if totals:
            (since, before), (until, after) = totals[-THROUGHPUT_SECONDS - 1 :][0], totals[-1]
            received = max(after - before, 0) / (until - since) if until > since else 0.0
        return Overview(
            second=latest.second,
            queue_problem=latest.queue_problem,
            tables_problem=latest.tables_problem,
            waiting=latest.waiting,
            causes=latest.causes,
            not_ended=latest.not_ended,
            minutes=latest.minutes,
            queue=latest.queue,
            tables=latest.tables,
            throughput=Throughput(received, settled / THROUGHPUT_SECONDS),
            buckets=buckets,
            customers=[
                replace(new, age_seconds=max(latest.second - at, 0)) for at, new in self.customers.values()
            ],
            subscriptions=[
                replace(new, age_seconds=max(latest.second - at, 0))
                for at, new in self.subscriptions.values()
            ],
        )


def _received(totals: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return how many events each second brought; those between two polls are spread evenly."""
    received: dict[int, int] = {}
    for (since, before), (until, after) in pairwise(totals):
        received.update(zip(range(since, until), shares(after - before, max(until - since, 1)), strict=False))
    return received


def _newest(lines: Mapping[str, tuple[float, T]]) -> list[tuple[str, tuple[float, T]]]:
    return sorted(lines.items(), key=lambda line: -line[1][0])[:LINES_SHOWN]
