"""docs/ordering.md says what the code does: its examples, its sizes, its rules and its picture."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import replace

from events import ordering
from events.ordering import Lifecycle, Version
from tests.builders import NOW
from tests.model.deliveries import one_by_one, steps
from tests.model.histories import version
from tools.draw_tie import draw, example

DOCS = Path(__file__).parents[3] / "docs"
DOCUMENT = (DOCS / "ordering.md").read_text()

CREATED = Lifecycle.CREATED

CHECKOUT = [
    version("evt_B", NOW, "active", "incomplete"),
    version("evt_A", NOW + 4, "incomplete", lifecycle=CREATED),
    version("evt_C", NOW, "active, metadata", "active"),
    version("evt_C", NOW, "active, metadata", "active"),
]
RESUMED, PAUSED = version("evt_R", NOW, "active", "paused"), version("evt_P", NOW, "paused", "active")
MONDAY = version("evt_M", NOW - 86_400, "active")


def documented(first: str, last: str) -> list[tuple[str, str, str]]:
    """Event, what the row shows, and reason, from the rows of an example's table."""
    table = DOCUMENT[DOCUMENT.index(first) : DOCUMENT.index(last)]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `evt_")]
    return [(cells[0].strip("`"), cells[-2], re.findall(r"`(\w+)`", cells[-1])[0]) for cells in rows]


def told(versions: list[Version]) -> list[tuple[str, str, str]]:
    decisions = list(steps(one_by_one(versions)))
    return [
        (v.event_id, getattr(d.columns, "status", ""), d.verdicts[0].reason.value)
        for v, d in zip(versions, decisions, strict=True)
    ]


def test_the_checkout_goes_as_documented() -> None:
    assert told(CHECKOUT) == documented("**A checkout.**", "Newest `created`")


def test_there_and_back_goes_as_documented() -> None:
    assert told([MONDAY, RESUMED, PAUSED])[1:] == documented("**There and back.**", "Had the row never")


def test_there_and_back_first_seen_so_is_unsure_until_monday_comes() -> None:
    decisions = list(steps([[RESUMED, PAUSED], [MONDAY]]))

    assert [decision.sure for decision in decisions] == [False, True]


def test_an_answer_settles_a_doubt_only_past_the_window() -> None:
    soon = replace(MONDAY, created=NOW + 2, fetched=True)
    later = replace(soon, created=NOW + 3)

    sure = [list(steps([[RESUMED, PAUSED], [answer]]))[-1].sure for answer in (soon, later)]

    assert sure == [False, True]


def test_every_rule_of_the_code_is_documented() -> None:
    listed = re.findall(r"^    (R\d+) ", ordering.__doc__ or "", re.MULTILINE)

    assert listed == re.findall(r"^\| (R\d+) ", DOCUMENT, re.MULTILINE)
    assert len(listed) == 11


def test_the_picture_is_what_the_code_draws() -> None:
    assert (DOCS / "tie-group.svg").read_text() == draw(example())
