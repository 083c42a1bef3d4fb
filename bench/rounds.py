"""Rounds of a benchmark: a line of progress for each, and one JSON object with all of them and their medians."""

from __future__ import annotations

import json
import statistics
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DIGITS = 3


def medians(one_round: Callable[[], Mapping[str, float]], *, rounds: int) -> Mapping[str, float]:
    """Run all rounds, print them, and return the median of each figure."""
    results = [_told(one_round()) for _ in range(rounds)]
    median = {name: statistics.median(result[name] for result in results) for name in results[0]}
    print(json.dumps({"rounds": results, "median": median}))
    return median


def _told(result: Mapping[str, float]) -> Mapping[str, float]:
    rounded = {name: round(figure, DIGITS) for name, figure in result.items()}
    print(json.dumps(rounded), file=sys.stderr, flush=True)
    return rounded
