"""The figures of docs/scaling.md and its pictures, made from what was measured and simulated.

    .venv/bin/python -m bench.scaling_page   # write them again from docs/scaling/results.json

The page's words are written by hand; text between `<!-- name -->` and `<!-- /name -->` is made here. A test compares the page
with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench import capacity, filling
from bench.capacity import ONE_RECEIVER, RESULTS
from bench.charts import Axis, lines, stacks
from bench.machine import machine
from bench.scaling_tables import blocks, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.capacity import Results

FOLDER = RESULTS.parent
PAGE = FOLDER.with_suffix(".md")


def main() -> None:
    write(kept())


def kept() -> Results:
    """The figures that were saved."""
    found: Results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def save(figures: Mapping[str, object]) -> None:
    """Keep figures together with the earlier ones, and write the page."""
    results = {**kept(), **figures, "machine": machine()}
    FOLDER.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if "simulated" in results:
        write(kept())


def write(results: Results) -> None:
    """Write the page's figures and the pictures."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    for name, picture in pictures(results):
        (FOLDER / name).write_text(picture, encoding="utf-8")


def filled(page: str, results: Results) -> str:
    """The page with every figure in its place."""
    return filling.filled(page, blocks(results))


def pictures(results: Results) -> Iterator[tuple[str, str]]:
    """Every picture's file and SVG."""
    us, received = capacity.spent(results), results["receivers"][ONE_RECEIVER]
    parts = {
        "receiver": {"receiving": us.receiver},
        "worker": {"working": us.worker},
        "Redis": {"receiving": received["valkey_us"], "working": us.redis - received["valkey_us"]},
        "Postgres": {"working": us.postgres},
    }
    yield "costs.svg", stacks("CPU time of one event, by process", "µs", parts)
    for name, title in (
        ("answers", "99 % of webhooks are answered within"),
        ("lag", "99 % of events are settled within"),
    ):
        series = {one: points(curve) for one, curve in results["simulated"][name].items()}
        yield f"{name}.svg", lines(title, Axis("events/s", logarithmic=True), Axis("ms"), series)


if __name__ == "__main__":
    main()
