"""docs/faults.md and the tests agree: every fault has its test, and every test its fault."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "faults.md").read_text()
ROW = re.compile(r"^\| (?P<id>F\d+) \| .+ \| (?P<runs>[^|]+) \|$", re.MULTILINE)
CATALOGUE = {row["id"]: row["runs"] for row in ROW.finditer(PAGE)}
NAME = re.compile(r"test_(?P<id>f\d+)_")


QUICK, CHAOS = "quick", "chaos"


@dataclass(frozen=True, slots=True)
class FaultTest:
    """A test that is named after a fault, and in which runs it has a part."""

    fault: str
    runs: frozenset[str]


@cache
def found() -> frozenset[FaultTest]:
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    trees = [ast.parse(text) for text in texts if NAME.search(text)]
    return frozenset(test for tree in trees for test in fault_tests_in(tree))


def fault_tests_in(tree: ast.Module) -> list[FaultTest]:
    whole_file = any(
        is_chaos(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    )
    return [
        FaultTest(name["id"].upper(), frozenset({CHAOS}) if whole_file else runs_of(node.decorator_list))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (name := NAME.match(node.name))
    ]


def runs_of(decorators: Sequence[ast.expr]) -> frozenset[str]:
    """Tell where a test runs: all of it by its own mark, or parameters of it by theirs."""
    lists = [values for decorator in decorators if (values := parameters_in(decorator)) is not None]
    marks = [decorator for decorator in decorators if parameters_in(decorator) is None]
    chaotic = [[is_chaos(value) for value in values] for values in lists]
    if any(map(is_chaos, marks)) or any(map(all, chaotic)):
        return frozenset({CHAOS})
    return frozenset({QUICK, CHAOS}) if any(map(any, chaotic)) else frozenset({QUICK})


def parameters_in(decorator: ast.expr) -> list[ast.expr] | None:
    """List the values of a `parametrize` that are written out; None for any other mark."""
    match decorator:
        case ast.Call(func=ast.Attribute(attr="parametrize"), args=[_, ast.List(elts=[_, *_] as values), *_]):
            return values
        case _:
            return None


def is_chaos(mark: ast.expr) -> bool:
    return re.search(r"\bmark\.chaos\b", ast.unparse(mark)) is not None


def how_it_runs(fault: str) -> str:
    runs = frozenset[str]().union(*(test.runs for test in found() if test.fault == fault))
    return ", ".join(run for run in (QUICK, CHAOS) if run in runs) or "not here"


def test_catalogue_is_whole() -> None:
    assert list(CATALOGUE) == [f"F{number}" for number in range(1, 79)]


@pytest.mark.parametrize("fault", CATALOGUE)
def test_fault_runs_as_the_catalogue_says(fault: str) -> None:
    assert CATALOGUE[fault].split(":")[0] == how_it_runs(fault)


def test_no_test_is_named_after_an_unknown_fault() -> None:
    assert {test.fault for test in found()} <= set(CATALOGUE)


def test_what_cannot_be_done_here_says_why() -> None:
    reasons = [runs for runs in CATALOGUE.values() if runs.startswith("not here")]
    assert all(re.fullmatch(r"not here: .{10,}", reason) for reason in reasons)


def test_a_mark_is_seen_on_a_test_and_on_a_whole_file() -> None:
    marked = ast.parse("@pytest.mark.chaos\ndef test_f1_a() -> None: ...\ndef test_f2_b() -> None: ...")
    whole = ast.parse("pytestmark = [pytest.mark.chaos]\ndef test_f3_c() -> None: ...")
    assert fault_tests_in(marked) == [
        FaultTest("F1", frozenset({CHAOS})),
        FaultTest("F2", frozenset({QUICK})),
    ]
    assert fault_tests_in(whole) == [FaultTest("F3", frozenset({CHAOS}))]


@pytest.mark.parametrize(
    ("values", "runs"),
    [
        ("[1, 2]", {QUICK}),
        ("[1, pytest.param(2, marks=pytest.mark.chaos)]", {QUICK, CHAOS}),
        ("[pytest.param(2, marks=[pytest.mark.chaos])]", {CHAOS}),
        ("EVERYTHING", {QUICK}),
    ],
)
def test_a_mark_is_seen_on_single_parameters(values: str, runs: set[str]) -> None:
    (test,) = fault_tests_in(
        ast.parse(f'@pytest.mark.parametrize("x", {values})\ndef test_f1_a(x) -> None: ...')
    )
    assert test.runs == runs
