"""docs/benchmarks.md shows the figures that were kept, and says for each target whether it is met."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.report import FOLDER, PAGE, TARGETS, Target, kept, page, pictures

KEPT = kept()


def test_page_is_made_of_what_was_kept() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(KEPT)


@pytest.mark.parametrize(("name", "picture"), tuple(pictures(KEPT)), ids=lambda value: value[:10])
def test_picture_is_drawn_from_what_was_kept(name: str, picture: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == picture


def test_every_target_was_measured() -> None:
    assert {target.figure[0] for target in TARGETS} <= KEPT.keys()


@pytest.mark.parametrize(
    ("value", "less_is_better", "is_met"),
    [
        (2, False, True),
        (1, False, True),
        (0.9, False, False),
        (0.9, True, True),
        (1, True, True),
        (2, True, False),
    ],
)
def test_bound_is_met_from_its_good_side(value: float, *, less_is_better: bool, is_met: bool) -> None:
    target = Target(what="x", figure=("x", "y"), bound=1, aim=1, less_is_better=less_is_better)
    assert target.is_met(value) is is_met
    assert ("**no**" in target.line(value)) is not is_met


def test_a_median_is_shown_with_the_rounds_that_it_is_of() -> None:
    target = Target(what="x", figure=("x", "y"), bound=1, aim=1)
    assert "| 2 (1 to 4, 3 rounds) |" in target.line(2, [1, 4, 2])
    assert "| 2 |" in target.line(2, [2])


def test_numbers_in_the_readme_are_measured_ones() -> None:
    root = Path(__file__).parents[3]
    readme, ordering = (root / "README.md").read_text(), (root / "docs" / "ordering.md").read_text()
    numbers = readme[readme.index("## Numbers") : readme.index("## Compared with")]

    measured = {*re.findall(r"[\d.]+\d", numbers)}

    assert measured <= {*re.findall(r"[\d.]+\d", (root / "docs" / "benchmarks.md").read_text())}
    assert len(measured) == 4
    assert re.findall(r"([\d.]+) % of the rows wrong", readme) == re.findall(
        r"newer `created` \| ([\d.]+)%", ordering
    )
