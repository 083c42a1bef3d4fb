"""A span of time as shapes: what was done in each of its parts, and how much waited.

Pure geometry: numbers in, rectangles and points out; the template draws them. Knows no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.console.timeline import Bucket

WIDTH, BARS_HEIGHT, BACKLOG_HEIGHT = 960, 200, 72
GAP = 0.2  # as a share of a bar's width
TENTHS = (10, 15, 20, 30, 40, 50, 60, 80, 100)


class BarKind(StrEnum):
    """What became of events, in few enough kinds to be told apart at a glance; drawn from the bottom up."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    SET_ASIDE = "set-aside"
    DEAD = "dead"


KIND_OF_OUTCOME = {
    "applied": BarKind.APPLIED,
    "unchanged": BarKind.UNCHANGED,
    "duplicate": BarKind.SET_ASIDE,
    "stale": BarKind.SET_ASIDE,
    "superseded": BarKind.SET_ASIDE,
    "dead": BarKind.DEAD,
}


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One kind's share of one part of time."""

    kind: BarKind
    x: float
    y: float
    width: float
    height: float
    count: int
    seconds_ago: int


@dataclass(frozen=True, slots=True)
class GridLine:
    """A horizontal line with its number."""

    y: float
    value: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template draws; `backlog` is an SVG path, empty when nothing was seen.

    `seconds` is the length of the whole span, `peak` how many events a second its fullest part had.
    """

    bars: tuple[ChartBar, ...]
    lines: tuple[GridLine, ...]
    backlog: str
    backlog_top: int
    backlog_most: int
    seconds: int
    peak: float


def draw(buckets: Sequence[Bucket], *, seconds: int = 1) -> Chart:
    """Lay out the buckets, oldest first, the newest at the right edge; each stands for `seconds`."""
    fullest = max((sum(bucket.settled.values()) for bucket in buckets), default=0)
    top = round_up(fullest)
    most = max((bucket.waiting or 0 for bucket in buckets), default=0)
    backlog_top = round_up(most)
    return Chart(
        bars=tuple(_bars(buckets, top, seconds)),
        lines=tuple(GridLine(_y(value, top), value) for value in sorted({0, top // 2, top})),
        backlog=_area(buckets, backlog_top),
        backlog_top=backlog_top,
        backlog_most=most,
        seconds=len(buckets) * seconds,
        peak=fullest / seconds,
    )


def round_up(value: int) -> int:
    """The next number that reads well on an axis: 1, 2, 3 and so on, 10, 15, 20, and so on."""
    magnitude = int(10 ** (len(str(value)) - 1))
    return next(tenths * magnitude // 10 for tenths in TENTHS if tenths * magnitude >= value * 10)


def _bars(buckets: Sequence[Bucket], top: int, seconds: int) -> Iterator[ChartBar]:
    pitch = WIDTH / max(len(buckets), 1)
    for index, bucket in enumerate(buckets):
        counts = dict.fromkeys(BarKind, 0)
        for outcome, count in bucket.settled.items():
            counts[KIND_OF_OUTCOME.get(outcome, BarKind.SET_ASIDE)] += count
        below = 0
        for kind, count in counts.items():
            if count:
                below += count
                yield ChartBar(
                    kind=kind,
                    x=round(index * pitch, 1),
                    y=_y(below, top),
                    width=round(pitch * (1 - GAP), 1),
                    height=round(BARS_HEIGHT * count / top, 1),
                    count=count,
                    seconds_ago=(len(buckets) - 1 - index) * seconds,
                )


def _y(value: int, top: int) -> float:
    return round(BARS_HEIGHT * (1 - value / top), 1)


def _area(buckets: Sequence[Bucket], top: int) -> str:
    """Return one closed shape from the first part that was polled to the last."""
    pitch = WIDTH / max(len(buckets), 1)
    seen = [
        ((index + 0.5) * pitch, bucket.waiting)
        for index, bucket in enumerate(buckets)
        if bucket.waiting is not None
    ]
    if not seen:
        return ""
    ridge = " ".join(f"L{x:.1f},{BACKLOG_HEIGHT * (1 - waiting / top):.1f}" for x, waiting in seen)
    return f"M{seen[0][0]:.1f},{BACKLOG_HEIGHT} {ridge} L{seen[-1][0]:.1f},{BACKLOG_HEIGHT} Z"
