"""docs/ordering.md says what the code does: its examples, its sizes, its rules and its picture. So does README's example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cogento.ordering import order as ordering
from cogento.ordering.order import LAG_SECONDS, Lifecycle, Version
from tests.support.builders import NOW
from tests.support.model.deliveries import one_by_one, steps
from tests.support.model.histories import version
from tools.draw_tie import draw, example

if TYPE_CHECKING:
    from collections.abc import Iterable

TESTS = Path(__file__).parents[2]
DOCS = TESTS.parent / "docs"
DOCUMENT = (DOCS / "ordering.md").read_text()

CREATED = Lifecycle.CREATED

CHECKOUT = [
    version("evt_B", NOW, "active", "incomplete"),
    version("evt_A", NOW + 4, "incomplete", lifecycle=CREATED),
    version("evt_C", NOW, "active, metadata", "active"),
    version("evt_C", NOW, "active, metadata", "active"),
]
OF_ONE_SECOND = [
    version("evt_B", NOW, "active", "incomplete"),
    version("evt_C", NOW, "active, gold", "active"),
    version("evt_A", NOW, "incomplete", lifecycle=CREATED),
]
README = (TESTS.parent / "README.md").read_text()
RESUMED, PAUSED = version("evt_R", NOW, "active", "paused"), version("evt_P", NOW, "paused", "active")
MONDAY = version("evt_M", NOW - 86_400, "active")


def documented(title: str) -> list[tuple[str, str, str]]:
    """Event, what the row shows, and reason, from the rows of an example's table, the first one after its title."""
    example = DOCUMENT[DOCUMENT.index(title) :]
    table = example[: example.index("\n\n", example.index("\n|"))]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `evt_")]
    return [(cells[0].strip("`"), cells[-2], re.findall(r"`(\w+)`", cells[-1])[0]) for cells in rows]


def told(versions: list[Version]) -> list[tuple[str, str, str]]:
    decisions = list(steps(one_by_one(versions)))
    return [
        (v.event_id, getattr(d.columns, "status", ""), d.verdicts[0].reason.value)
        for v, d in zip(versions, decisions, strict=True)
    ]


def test_the_checkout_goes_as_documented() -> None:
    assert told(CHECKOUT) == documented("**A checkout.**")


def test_the_problem_that_the_readme_shows_goes_as_shown() -> None:
    shown = re.findall(
        r"^\| (?:1st|2nd|3rd) \| `(\w+)`.* \| \**([\w, ]+)\**.* \| ([\w, ]+) \|$", README, re.MULTILINE
    )

    written_if_not_older = [getattr(version.columns, "status", "") for version in OF_ONE_SECOND]
    ours = [(event, status) for event, status, _ in told(OF_ONE_SECOND)]

    assert [(event, row) for event, _, row in shown] == ours
    assert [row for _, row, _ in shown] == written_if_not_older


def test_there_and_back_goes_as_documented() -> None:
    assert told([MONDAY, RESUMED, PAUSED])[1:] == documented("**There and back.**")


def test_there_and_back_first_seen_so_is_unsure_until_monday_comes() -> None:
    decisions = list(steps([[RESUMED, PAUSED], [MONDAY]]))

    assert [decision.sure for decision in decisions] == [False, True]


def test_an_answer_settles_there_and_back_only_after_a_minute() -> None:
    soon = replace(MONDAY, created=NOW + LAG_SECONDS, fetched=True)
    later = replace(soon, created=NOW + LAG_SECONDS + 1)

    sure = [list(steps([[RESUMED, PAUSED], [answer]]))[-1].sure for answer in (soon, later)]

    assert sure == [False, True]


def test_an_answer_that_shows_what_no_event_left_settles_a_doubt_only_past_the_window() -> None:
    unlinked = version("evt_X", NOW, "trialing", "incomplete")
    soon = version("evt_fetched", NOW + 2, "trialing", fetched=True)
    later = replace(soon, created=NOW + 3)

    sure = [list(steps([[PAUSED, unlinked], [answer]]))[-1].sure for answer in (soon, later)]

    assert sure == [False, True]


def test_every_rule_of_the_code_is_documented() -> None:
    listed = re.findall(r"^    (R\d+) ", ordering.__doc__ or "", re.MULTILINE)

    assert listed == re.findall(r"^\| (R\d+) \| ", DOCUMENT, re.MULTILINE)
    assert len(listed) == 11


def cases_named_in(tests: Iterable[Path]) -> set[str]:
    return {number for test in tests for number in re.findall(r"def test_case_(\d+)_", test.read_text())}


def test_every_case_that_broke_others_has_a_test_of_the_decision_and_one_end_to_end() -> None:
    documented = {str(number) for number in range(1, 10)}
    end_to_end = TESTS / "integration" / "worker" / "test_cases_that_broke_others.py"

    assert set(re.findall(r"^\| (\d) \| ", DOCUMENT, re.MULTILINE)) == documented
    assert cases_named_in((TESTS / "unit").rglob("test_*.py")) == documented
    assert cases_named_in([end_to_end]) == documented


def test_no_other_test_is_named_after_a_case() -> None:
    told = {*(TESTS / "unit").rglob("test_*.py"), *(TESTS / "integration" / "worker").glob("test_*.py")}

    assert cases_named_in({*TESTS.rglob("test_*.py")} - told) == set()


def test_the_picture_is_what_the_code_draws() -> None:
    assert (DOCS / "tie-group.svg").read_text() == draw(example())
