"""How long settled events had waited, as counters that every worker adds to: two histograms for each source.

`queue` is from put to settled, ours alone; `freshness` from when it happened in Stripe. Pure functions.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

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


def count(counters: Counter[str], delay: Delay, source: str, seconds: float) -> None:
    """Count one event; one that seems to come from the future waited for nothing."""
    waited = max(seconds, 0.0)
    counters[f"{delay} {source} {BUCKETS_SECONDS[bisect_left(BUCKETS_SECONDS, waited)]}"] += 1
    counters[f"{delay} {source} {SUM}"] += int(waited * 1000)


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
