"""How many processes a rate takes: the measured CPU time of one event, divided by the share of a core that may be busy.

    .venv/bin/python -m bench.capacity     # from docs/scaling/results.json

A model, not a measurement: it multiplies. Because it leaves out bursts, disks and networks, it fills cores only to a share;
bench/model.py simulates how soon a system of that size answers.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Results = Mapping[str, Mapping[str, Any]]

RESULTS = Path(__file__).parent.parent / "docs" / "scaling" / "results.json"
RATES = (10, 100, 1_000, 10_000, 100_000)
BUSY_SHARE = 0.6
LEDGER_DAYS, DAY_SECONDS = 35, 86_400
USUAL_CREW, ONE_RECEIVER = "1 worker, 2 loops", "1"


@dataclass(frozen=True, slots=True)
class Spent:
    """Microseconds of one core that each kind of process spends on an event."""

    receiver: float
    worker: float
    redis: float
    postgres: float


def main() -> None:
    print("\n".join(table(json.loads(RESULTS.read_text(encoding="utf-8")))))


def spent(results: Results) -> Spent:
    """What real processes spent on an event, one receiver and one worker at work."""
    received, drained = results["receivers"][ONE_RECEIVER], results["crews"][USUAL_CREW]
    return Spent(
        receiver=received["receiver_us"],
        worker=drained["worker_us"],
        redis=received["valkey_us"] + drained["valkey_us"],
        postgres=drained["postgres_us"],
    )


def table(results: Results) -> Iterator[str]:
    """Yield rows of Markdown: for each rate, how many of everything it takes."""
    us = spent(results)
    yield f"| events/s | receiver processes | worker processes | Redis, one a deployment | or masters of one cluster | Postgres cores | ledger of {LEDGER_DAYS} days |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for rate in RATES:
        alone = cores(us.redis, rate)
        masters = cores(us.redis * dearer_on_a_cluster(results), rate)
        needed = (
            f"{cores(us.receiver, rate):,}",
            f"{cores(us.worker, rate):,}",
            f"{alone:,}",
            "" if alone == 1 else f"{masters:,}",
            f"{cores(us.postgres, rate):,}",
        )
        yield f"| {rate:,} | {' | '.join(needed)} | {ledger_gb(results, rate):,.0f} GB |"


def dearer_on_a_cluster(results: Results) -> float:
    """Return how many times as much CPU an event costs on a cluster of six masters, taken together, as on one Redis."""
    costs = results["shards"]
    ratio: float = costs["cluster_6_valkey"] / costs["shards_1_valkey"]
    return ratio


def cores(us: float, rate: float) -> int:
    """Return the number of cores, each busy for at most BUSY_SHARE of its time."""
    return math.ceil(us * rate / 1e6 / BUSY_SHARE)


def ledger_gb(results: Results, rate: float) -> float:
    """Size of the ledger with its indexes."""
    size: float = results["disk"]["ledger"]
    return rate * DAY_SECONDS * LEDGER_DAYS * size / 1e9


if __name__ == "__main__":
    main()
