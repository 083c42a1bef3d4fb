"""docs/scaling.md shows the figures that were kept, and nothing else between its marks."""

from __future__ import annotations

import re

import pytest

from bench import scenarios
from bench.scaling_page import FOLDER, PAGE, filled, kept, pictures
from bench.scaling_tables import blocks

TEXT = PAGE.read_text(encoding="utf-8")
RESULTS = kept()


def test_figures_on_the_page_are_those_that_were_kept() -> None:
    assert filled(TEXT, RESULTS) == TEXT


def test_every_table_is_on_the_page_once() -> None:
    opened, closed = (re.findall(rf"^<!-- {mark}(\w+) -->$", TEXT, flags=re.MULTILINE) for mark in ("", "/"))
    assert opened == closed
    assert sorted(opened) == sorted(name for name, _ in blocks(RESULTS))


@pytest.mark.parametrize(("name", "picture"), tuple(pictures(RESULTS)), ids=lambda value: value[:10])
def test_picture_is_drawn_from_what_was_kept(name: str, picture: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == picture


def test_simulation_still_comes_to_what_was_kept() -> None:
    again = scenarios.times_the_load(RESULTS, 10)
    assert again == pytest.approx(RESULTS["simulated"]["times"]["10"], rel=1e-3, abs=1e-3)


def test_a_thousand_times_the_load_keeps_what_is_promised() -> None:
    assert all(
        found["ack_p99_ms"] < 500 and found["lag_p99_ms"] < 10_000
        for found in RESULTS["simulated"]["times"].values()
    )
