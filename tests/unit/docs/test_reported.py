"""docs/reported.md lists every report with all of its tests, and every report has one."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reported.md").read_text()


def named_tests() -> dict[str, set[str]]:
    named = defaultdict(set)
    for path in (ROOT / "tests").rglob("*.py"):
        for number in re.findall(r"^ *(?:async )?def test_([ta]\d+)_", path.read_text(), re.MULTILINE):
            named[number.upper()].add(str(path.relative_to(ROOT)))
    return named


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| ([TA]\d+) \| [^|]+ \| (.+) \|$", PAGE, re.MULTILINE)
    return {number: set(re.findall(r"\(\.\./([^)]+)\)", files)) for number, files in rows}


def test_every_report_is_listed_with_all_of_its_tests() -> None:
    assert documented() == named_tests()
    assert {*documented()} == {*(f"T{n}" for n in range(1, 27)), *(f"A{n}" for n in range(1, 14))}
