"""How long settled events had waited, as counters that every worker adds to: two histograms for each source.

`queue` is the time from put to settled, ours alone; `freshness` that from the event's creation in Stripe. Pure functions.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0, math.inf)
SUM = "ms"


class Delay(StrEnum):
    """What is measured."""

    QUEUE = "queue"
    FRESHNESS = "freshness"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many events of a source waited up to each of BUCKETS_SECONDS, and how long all of them together."""

    delay: Delay
    source: str
    counts: tuple[int, ...]
    sum_seconds: float


def count(counters: Counter[str], delay: Delay, source: str, seconds: Iterable[float]) -> None:
    """Count events of one source by how long each waited; a negative wait counts as 0."""
    waited = [max(one, 0.0) for one in seconds]
    for place, events in Counter(bisect_left(BUCKETS_SECONDS, one) for one in waited).items():
        counters[f"{delay} {source} {BUCKETS_SECONDS[place]}"] += events
    counters[f"{delay} {source} {SUM}"] += sum(int(one * 1000) for one in waited)


def histograms(counters: Mapping[str, int]) -> list[Histogram]:
    """Read the counters."""
    sources = sorted({source for _, source, _ in map(str.split, counters)})
    found = []
    for delay, source in product(Delay, sources):
        total_ms = counters.get(f"{delay} {source} {SUM}")
        if total_ms is not None:
            each = (counters.get(f"{delay} {source} {bucket}", 0) for bucket in BUCKETS_SECONDS)
            found.append(Histogram(delay, source, tuple(accumulate(each)), total_ms / 1000))
    return found
