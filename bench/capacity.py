"""How many processes a rate takes: the measured CPU time of one event, over what a busy core should do.

    .venv/bin/python -m bench.capacity     # from docs/benchmarks/results.json

A model, not a measurement: it multiplies. What it leaves out (bursts, disks, networks) is why it fills cores to a share.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from bench.report import RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RATES = (10, 100, 1_000, 10_000, 100_000)
BUSY_SHARE = 0.6
LEDGER_BYTES, LEDGER_DAYS, DAY_SECONDS = 380, 35, 86_400


def main() -> None:
    print("\n".join(table(json.loads(RESULTS.read_text(encoding="utf-8")))))


def table(results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Rows of Markdown: for each rate how much of everything."""
    costs = costs_us(results)
    yield f"| events/s | {' | '.join(costs)} | ledger of {LEDGER_DAYS} days |"
    yield f"| ---: | {' | '.join('---:' for _ in costs)} | ---: |"
    yield f"| *µs an event* | {' | '.join(f'*{us:.0f}*' for us in costs.values())} | |"
    for rate in RATES:
        needed = " | ".join(f"{cores(us, rate):,}" for us in costs.values())
        yield f"| {rate:,} | {needed} | {ledger_gb(rate):,.0f} GB |"


def costs_us(results: Mapping[str, Mapping[str, Any]]) -> Mapping[str, float]:
    """Microseconds of one core that each kind of process spends on an event."""
    servers = results["costs"].values()
    return {
        "receiver processes": results["receiver"]["accepted_cpu_us"],
        "worker processes": results["drain"]["worker_us_per_event"],
        "Redis instances": sum(step["valkey"] for step in servers),
        "Postgres cores": sum(step["postgres"] for step in servers),
    }


def cores(us: float, rate: float) -> int:
    """Whole cores, each busy for BUSY_SHARE of its time at most."""
    return math.ceil(us * rate / 1e6 / BUSY_SHARE)


def ledger_gb(rate: float) -> float:
    """Size of the ledger with its indexes."""
    return rate * DAY_SECONDS * LEDGER_DAYS * LEDGER_BYTES / 1e9


if __name__ == "__main__":
    main()
