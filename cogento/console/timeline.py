"""The last minutes, the last hour and the last day as equal parts of time, for charts and their tables.

Pure: samples and totals in, buckets out. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cogento.console.poller import Overview
    from cogento.queue.minutes import MinuteTotals

MINUTE = 60


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of time: events by outcome, how many waited and how many were received; None where nothing was polled."""

    settled: Mapping[str, int]
    waiting: int | None
    received: int | None = None


class Span(StrEnum):
    """How far back a chart reaches."""

    MINUTES = "2min"
    HOUR = "1h"
    DAY = "24h"


@dataclass(frozen=True, slots=True)
class SpanParts:
    """How many bars a span has and how many seconds each stands for; `rows` is how many lines its table has."""

    bars: int
    seconds: int
    rows: int


PARTS = {
    Span.MINUTES: SpanParts(120, 1, 12),
    Span.HOUR: SpanParts(60, 60, 12),
    Span.DAY: SpanParts(96, 900, 24),
}


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A part of a span in numbers: from a Unix second on, for `seconds`; `waiting` is the most that waited."""

    second: int
    seconds: int
    received: int | None
    settled: Mapping[str, int]
    waiting: int | None


def buckets_of(span: Span, seen: Overview) -> list[Bucket]:
    """Return a span's buckets, oldest first, up to the last whole second or minute."""
    if span is Span.MINUTES:
        return list(seen.buckets)
    parts = PARTS[span]
    minutes = list(
        _minutes(seen.minutes, until=seen.second // MINUTE, count=parts.bars * parts.seconds // MINUTE)
    )
    return _merged(minutes, parts.seconds // MINUTE)


def rows_of(span: Span, buckets: Sequence[Bucket], *, second: int) -> list[TimelineRow]:
    """Return the same as the lines of a table, newest first; `second` is the one that the buckets reach up to."""
    parts = PARTS[span]
    size = parts.bars // parts.rows
    until = second if span is Span.MINUTES else second - second % MINUTE
    seconds = size * parts.seconds
    return [
        TimelineRow(until - (place + 1) * seconds, seconds, row.received, row.settled, row.waiting)
        for place, row in enumerate(reversed(_merged(buckets, size)))
    ]


def recovered(totals: Sequence[MinuteTotals]) -> int:
    """Return how many missed events the totals have grown by."""
    missing = [one.missing for one in totals if one.missing is not None]
    return max(missing[-1] - missing[0], 0) if missing else 0


def shares(growth: int, parts: int) -> list[int]:
    """Divide a growth evenly into parts; a total that is smaller than before has started again from 0."""
    share, rest = divmod(max(growth, 0), parts)
    return [share + (place < rest) for place in range(parts)]


def _minutes(totals: Sequence[MinuteTotals], *, until: int, count: int) -> Iterator[Bucket]:
    """Yield a bucket for each of the minutes before `until`. The difference of two totals is spread evenly over the minutes between them."""
    settled: dict[int, dict[str, int]] = {}
    received: dict[int, int] = {}
    for before, after in pairwise(totals):
        minutes = range(before.minute, after.minute)
        received.update(zip(minutes, shares(after.received - before.received, len(minutes)), strict=True))
    for before, after in pairwise([one for one in totals if one.outcomes is not None]):
        minutes = range(before.minute, after.minute)
        for outcome, total in (after.outcomes or {}).items():
            growth = total - (before.outcomes or {}).get(outcome, 0)
            for minute, share in zip(minutes, shares(growth, len(minutes)), strict=True):
                if share:
                    settled.setdefault(minute, {})[outcome] = share
    waiting = {one.minute: one.waiting for one in totals}
    for minute in range(until - count, until):
        yield Bucket(settled.get(minute, {}), waiting.get(minute), received.get(minute))


def _merged(buckets: Sequence[Bucket], size: int) -> list[Bucket]:
    """Merge each `size` buckets into one, counted back from the newest."""
    first = len(buckets) % size
    groups = [buckets[place : place + size] for place in range(first, len(buckets), size)]
    return [_sum(group) for group in groups]


def _sum(buckets: Sequence[Bucket]) -> Bucket:
    settled: dict[str, int] = {}
    for bucket in buckets:
        for outcome, count in bucket.settled.items():
            settled[outcome] = settled.get(outcome, 0) + count
    waiting = [bucket.waiting for bucket in buckets if bucket.waiting is not None]
    received = [bucket.received for bucket in buckets if bucket.received is not None]
    return Bucket(settled, max(waiting, default=None), sum(received) if received else None)
