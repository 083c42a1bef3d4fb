"""Compares this project with the two engines that people use today, on the same machine, Postgres server and stream: docs/compared.md.

    .venv/bin/python -m bench.compared --quick          # some minutes; shows that everything runs, and is not kept
    .venv/bin/python -m bench.compared --save           # half an hour; keeps each part when it is done, and writes the page
    .venv/bin/python -m bench.compared --save --resume  # the parts that are left of a run that was interrupted

Needs node and npm, and the network the first time. `--openapi` is for where GitHub cannot be reached (bench/compared/engines.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.compared import cases, life, results, speed
from bench.compared.engines import install
from bench.compared.page import write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Part = tuple[Mapping[str, int], Callable[[], Mapping[str, Any]]]

RESUMED_HOURS = 12
FULL = {
    "events": 20_000,
    "customers": 4_000,
    "rounds": 5,
    "growth-events": 10_000,
    "existing": 100_000,
    "life-events": 3_000,
    "lives": 1,
}
QUICK = FULL | {
    "events": 3_000,
    "customers": 600,
    "rounds": 1,
    "growth-events": 1_000,
    "existing": 5_000,
    "life-events": 300,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes and one round, which are not kept")
    parser.add_argument(
        "--save", action="store_true", help="keep each part when it is done, and write the page"
    )
    parser.add_argument(
        "--resume", action="store_true", help="leave out parts that were kept in the last hours"
    )
    parser.add_argument(
        "--only", action="append", choices=tuple(parts(FULL)), help="this part; may be repeated"
    )
    parser.add_argument("--openapi", type=Path, help="Stripe's description of its API, version 2020-08-27")
    for name, value in FULL.items():
        parser.add_argument(f"--{name}", type=int, help=f"{value:,} by default")
    arguments = parser.parse_args()
    if arguments.quick and arguments.save:
        parser.error("--quick measures too little to be kept: leave out --save")
    given = {name: getattr(arguments, name.replace("-", "_")) for name in FULL}
    sizes = (QUICK if arguments.quick else FULL) | {
        name: value for name, value in given.items() if value is not None
    }
    load = round(os.getloadavg()[0], 1)
    install(arguments.openapi)
    for name, (settings, measure) in parts(sizes).items():
        if name not in (arguments.only or parts(sizes)):
            continue
        if arguments.resume and results.is_kept(name, settings, hours=RESUMED_HOURS):
            print(f"{name}: kept of the run before", file=sys.stderr)
            continue
        begun = time.monotonic()
        found = measure()
        print(f"{name}: {(time.monotonic() - begun) / 60:.1f} minutes", file=sys.stderr, flush=True)
        print(json.dumps({name: found}), flush=True)
        if arguments.save:
            write(results.keep(name, settings, found, load=load))


def parts(sizes: Mapping[str, int]) -> Mapping[str, Part]:
    """Return everything that is measured: for each part its sizes, and the function that measures it."""
    stream = {name: sizes[name] for name in ("events", "customers", "rounds")}
    full = {
        "events": sizes["growth-events"],
        "customers": sizes["growth-events"] // 5,
        "rounds": sizes["rounds"],
        "existing": sizes["existing"],
    }
    lived = {"events": sizes["life-events"], "rounds": sizes["lives"]}
    return {
        "cases": ({}, cases.measured),
        "life": (lived, partial(life.measured, **lived)),
        "speed": (stream, partial(speed.measured, **stream)),
        "growth": (full, partial(speed.measured, **full)),
        "indexed": (full, partial(speed.measured_with_an_index, **full)),
    }


if __name__ == "__main__":
    main()
