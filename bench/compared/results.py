"""What was measured, kept in docs/benchmarks/compared.json: each part with its sizes, its time and its machine."""

from __future__ import annotations

import datetime as dt
import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import machine

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"
RESULTS = FOLDER / "compared.json"
OURS, OLD, NEW = "cogento", "supabase", "stripe"
"""The names of the three."""

Results = dict[str, Any]


def kept() -> Results:
    """Every part, by its name."""
    found: Results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def keep(part: str, settings: Mapping[str, int], found: Mapping[str, Any], *, load: float) -> Results:
    """Keep a part, in place of its earlier figures; returns everything that is kept now.

    `load` is how many other processes wanted a processor when the run began.
    """
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    told = {"measured": now, "machine": machine(), "load": load, "settings": dict(settings), "found": found}
    results = kept() | {part: told}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return results


def is_kept(part: str, settings: Mapping[str, int], *, hours: float) -> bool:
    """Say whether a part was measured with these sizes, on this machine, in the last hours."""
    before = kept().get(part)
    if before is None or before["settings"] != dict(settings) or before["machine"] != machine():
        return False
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(before["measured"])
    return age < dt.timedelta(hours=hours)


def ratios(results: Results) -> dict[str, Any]:
    """Our rates over those of each engine, as bench/report.py has figures: medians of rounds, and the rounds."""
    rounds = [
        {
            **_over(results["speed"], OLD, number),
            **_over(results["speed"], NEW, number),
            **{f"{name}_when_full": ratio for name, ratio in _over(results["growth"], NEW, number).items()},
        }
        for number in range(_rounds(results))
    ]
    return {**{name: statistics.median(one[name] for one in rounds) for name in rounds[0]}, "rounds": rounds}


def _rounds(results: Results) -> int:
    return min(len(results[part]["found"][OURS]["rounds"]) for part in ("speed", "growth"))


def _over(part: Mapping[str, Any], engine: str, number: int) -> dict[str, float]:
    ours, theirs = (part["found"][name]["rounds"][number] for name in (OURS, engine))
    return {
        f"{rate}_over_{engine}": round(ours[f"{rate}_per_s"] / theirs["applied_per_s"], 3)
        for rate in ("accepted", "applied")
    }
