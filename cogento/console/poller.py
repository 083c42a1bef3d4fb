"""Polls queue and tables once a second, and keeps the last two minutes, so that every page shows what is known already.

One thread asks, however many read; a page costs the servers nothing but its own explanations. A server that
does not answer leaves a gap in the picture and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import structlog

from cogento import runtime
from cogento.console.errors import postgres_problem
from cogento.queue.errors import MailboxDenied, MailboxUnavailable
from cogento.queue.figures import read_figures
from cogento.retries import FailureClass
from cogento.store.errors import classify
from cogento.store.history import SettledCount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.figures import QueueFigures
    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.figures import TableFigures
    from cogento.store.history import NewCustomer, NewSubscription
    from cogento.store.store import Store

SECONDS_SHOWN = 120
THROUGHPUT_SECONDS = 10
LINES_SHOWN = 8
EVERY_SECONDS = 1.0
ANSWER_SECONDS = 5.0

# How far back rows that changed are looked for: since the last poll, and what a transaction may take to commit.
LOOK_BACK_SECONDS = 3
FIRST_LOOK_BACK_SECONDS = 600

T = TypeVar("T")

_log = structlog.get_logger()


class StatusPoller:
    """Remembers the last two minutes; safe for any number of threads that read."""

    def __init__(self, mailboxes: Mailboxes, store: Store) -> None:
        self._mailboxes = mailboxes
        self._store = store
        self._history = RecentHistory()
        self._lock = threading.Lock()
        self._look_back_seconds = FIRST_LOOK_BACK_SECONDS
        self._counted: tuple[int, Mapping[str, int]] | None = None  # the totals, at the second of a sample

    def start(self) -> None:
        """Poll once a second from now on, in a thread of this process."""
        threading.Thread(target=self._repeat, name="poller", daemon=True).start()

    def poll(self) -> None:
        """Poll once; that a server is away is part of the sample."""
        sample = StatusSample(second=int(time.time()))
        try:
            sample = replace(sample, queue=read_figures(self._mailboxes))
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
        with self._lock:
            self._history.add(sample)

    def overview(self) -> Overview:
        """Add up what was seen."""
        with self._lock:
            return self._history.overview()

    async def _read_tables(self, sample: StatusSample) -> StatusSample:
        # The long read is tried once: where ten minutes hold too much to read in time, the short one stays.
        back, self._look_back_seconds = self._look_back_seconds, LOOK_BACK_SECONDS
        recent = self._store.recent
        tables = await self._store.figures()
        if self._counted is None:
            settled = await recent.pace(look_back_seconds=back)
        else:
            settled = _growth(*self._counted, until=sample.second, after=tables.outcomes)
        seen = replace(
            sample,
            tables=tables,
            settled=settled,
            customers=await recent.customers(look_back_seconds=back, limit=LINES_SHOWN),
            subscriptions=await recent.subscriptions(look_back_seconds=back, limit=LINES_SHOWN),
        )
        self._counted = (sample.second, tables.outcomes)
        return seen

    def _repeat(self) -> None:
        """Poll at each second's beginning, so that every second is polled once."""
        while True:
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001 - a mistake in one poll must not end the thread
                _log.error("poll_failed", exc_info=error)
            time.sleep(EVERY_SECONDS - time.time() % EVERY_SECONDS)


def _growth(
    since: int, before: Mapping[str, int], *, until: int, after: Mapping[str, int]
) -> list[SettledCount]:
    """Tell what totals have grown by between two polls, evenly over the seconds from one to the other."""
    seconds = range(since, until) or range(since, since + 1)
    shares = {outcome: divmod(total - before[outcome], len(seconds)) for outcome, total in after.items()}
    return [
        SettledCount(second, outcome, share + (place < rest))
        for outcome, (share, rest) in shares.items()
        for place, second in enumerate(seconds)
        if share or place < rest
    ]


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
    """Everything on the page; `queue` or `tables` is None while its server does not answer, or is in trouble."""

    queue: QueueFigures | None
    tables: TableFigures | None
    throughput: Throughput
    buckets: Sequence[SecondBucket]
    customers: Sequence[NewCustomer]
    subscriptions: Sequence[NewSubscription]
    queue_problem: str | None = None
    tables_problem: str | None = None


@dataclass(frozen=True, slots=True)
class StatusSample:
    """What both servers said at a Unix second; one that is away, or in trouble, leaves None and nothing."""

    second: int
    queue: QueueFigures | None = None
    tables: TableFigures | None = None
    settled: Sequence[SettledCount] = ()
    customers: Sequence[NewCustomer] = ()
    subscriptions: Sequence[NewSubscription] = ()
    queue_problem: str | None = None
    tables_problem: str | None = None


@dataclass(slots=True)
class RecentHistory:
    """The samples of the last two minutes; not safe for threads."""

    samples: deque[StatusSample] = field(default_factory=lambda: deque(maxlen=SECONDS_SHOWN))
    settled: dict[int, dict[str, int]] = field(default_factory=dict)
    customers: dict[str, tuple[float, NewCustomer]] = field(default_factory=dict)
    subscriptions: dict[str, tuple[float, NewSubscription]] = field(default_factory=dict)

    def add(self, sample: StatusSample) -> None:
        """Keep a sample. What it counts of a second was counted by no other, and is added."""
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
        """Add it up, as of the latest sample."""
        if not self.samples:
            return Overview(None, None, Throughput(0, 0), (), (), ())
        latest = self.samples[-1]
        waiting = {sample.second: sample.queue.waiting for sample in self.samples if sample.queue}
        # The second under way is left out, or it would always look slow.
        buckets = [
            SecondBucket(self.settled.get(second, {}), waiting.get(second))
            for second in range(latest.second - SECONDS_SHOWN, latest.second)
        ]
        settled = sum(sum(bucket.settled.values()) for bucket in buckets[-THROUGHPUT_SECONDS:])
        totals = [(sample.second, sample.queue.received_total) for sample in self.samples if sample.queue]
        received = 0.0
        if totals:
            (since, before), (until, after) = totals[-THROUGHPUT_SECONDS - 1 :][0], totals[-1]
            received = max(after - before, 0) / (until - since) if until > since else 0.0
        return Overview(
            queue_problem=latest.queue_problem,
            tables_problem=latest.tables_problem,
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


def _newest(lines: Mapping[str, tuple[float, T]]) -> list[tuple[str, tuple[float, T]]]:
    return sorted(lines.items(), key=lambda line: -line[1][0])[:LINES_SHOWN]
