"""docs/limits.md: every bound is in the table with its number, and a test of that name pushes against it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cogento.console.web import login, security, sessions, unsent
from cogento.console.web import server as console_server
from cogento.serving import connection, heads, request_cycle
from receiver import reading

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "limits.md").read_text()
ROWS = re.findall(
    r"^\| .+ \| ([\d,]+)(?: s| bytes)? \| `([A-Z_]+)` \| .+ \| `(\w+)` \|$", PAGE, flags=re.MULTILINE
)
TESTS = set(
    re.findall(
        r"^ *def (test_\w+)", "\n".join(p.read_text() for p in ROOT.glob("tests/**/*.py")), re.MULTILINE
    )
)
MODULES = (connection, heads, request_cycle, reading, security, login, sessions, unsent, console_server)
BOUND = re.compile(r"(MAX|LINGER)\w*|THREADS|(HEAD|IDLE|LAST|READ|WRITE)_SECONDS")
# A session's own life is told where it is used; the longest session is no bound on what is used up.
BOUNDS = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if BOUND.fullmatch(name) and not (module is sessions and name.endswith("_SECONDS"))
}


@pytest.mark.parametrize("name", BOUNDS)
def test_every_bound_of_the_code_is_in_the_table_with_its_number(name: str) -> None:
    numbers = {row: int(number.replace(",", "")) for number, row, _ in ROWS}
    assert numbers[name] == BOUNDS[name]


@pytest.mark.parametrize(("name", "test"), [(name, test) for _, name, test in ROWS])
def test_every_row_of_the_table_is_a_bound_of_the_code_and_is_pushed_by_a_test(name: str, test: str) -> None:
    assert name in BOUNDS
    assert test in TESTS
