"""`make bench` and `make bench-full`: every benchmark as a command of its own, one after the other.

Each prints what it measured; a failing one does not keep the others from running. With --save, the figures that the page shows
are kept and the page is written (bench/report.py).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from bench import report

QUICK = (
    ("bench.ordering",),
    ("bench.paths",),
    ("bench.costs", "--events", "8000"),
    ("bench.drain", "--events", "10000", "--rounds", "1"),
    ("bench.receiver", "--events", "10000", "--rounds", "1"),
    ("bench.freshness", "--events", "100", "--rounds", "1"),
    ("bench.growth", "--share", "0.05", "--rounds", "1"),
    ("bench.memory", "--events", "50000"),
    ("bench.backfill", "--customers", "2000"),
    ("bench.console", "--share", "0.1"),
    ("bench.console_bulk", "--share", "0.1"),
    ("bench.soak", "--minutes", "1"),
    (
        "bench.scaling",
        "--events",
        "1000",
        "--rounds",
        "1",
        "--only",
        "steps",
        "--only",
        "disk",
        "--only",
        "wire",
    ),
)
FULL = (
    ("bench.ordering", "--histories", "100000", "--rendered", "20000"),
    ("bench.paths", "--seconds", "900"),
    ("bench.costs",),
    ("bench.compared", "--save"),
    ("bench.drain", "--rounds", "5"),
    ("bench.changes", "--rounds", "5"),
    ("bench.receiver", "--rounds", "5"),
    ("bench.flask_view",),
    ("bench.freshness", "--rounds", "5"),
    ("bench.growth", "--rounds", "3"),
    ("bench.memory", "--rounds", "3"),
    ("bench.backfill", "--customers", "20000", "--budget", "20", "--kills", "3"),
    ("bench.backfill",),
    ("bench.console", "--save"),
    ("bench.console_bulk",),
    ("bench.soak", "--minutes", "10"),
    ("bench.scaling",),
)
ON_THE_PAGE = frozenset(
    {"backfill", "costs", "drain", "receiver", "freshness", "growth", "memory", "console"}
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="every benchmark at its full length")
    parser.add_argument("--save", action="store_true", help="keep the figures and write docs/benchmarks.md")
    parser.add_argument("--only", action="append", help="the benchmarks of this name; may be repeated")
    arguments = parser.parse_args()
    failed, figures = False, {}
    for module, *options in FULL if arguments.full else QUICK:
        name = module.removeprefix("bench.")
        if arguments.only and name not in arguments.only:
            continue
        printed = run(module, *options)
        failed = failed or printed is None
        if printed and name in ON_THE_PAGE:
            figures[name] = figures_of(printed)
    if arguments.save:
        report.save(figures)
    return 1 if failed else 0


def run(module: str, *options: str) -> str | None:
    """Run one benchmark and return what it printed; None when it failed."""
    print(f"\n== python -m {' '.join((module, *options))}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", module, *options], stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout, end="", flush=True)
    return done.stdout if done.returncode == 0 else None


def figures_of(printed: str) -> dict[str, Any]:
    """Return the figures in a benchmark's last line: where it made rounds, the medians, and all `rounds` beside them."""
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return {**found["median"], "rounds": found["rounds"]} if "median" in found else found


if __name__ == "__main__":
    raise SystemExit(main())
