"""docs/compared.md and README show the figures that were kept, and nothing else between their marks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bench.compared.engines import ENGINES, Engine
from bench.compared.page import PAGE, PARTS, README, blocks, pictures
from bench.compared.results import FOLDER, kept
from bench.filling import filled

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = kept()
PAGES = [pytest.param(page, id=page.name) for page in (PAGE, README)]


def test_every_part_was_measured() -> None:
    assert set(PARTS) == RESULTS.keys()


@pytest.mark.parametrize("page", PAGES)
def test_figures_on_the_page_are_those_that_were_kept(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text, blocks(RESULTS)) == text


def test_every_table_has_its_place_on_one_of_both_pages() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (PAGE, README))
    opened, closed = (re.findall(rf"^<!-- {mark}(\w+) -->$", text, flags=re.MULTILINE) for mark in ("", "/"))
    assert opened == closed
    assert sorted(opened) == sorted(name for name, _ in blocks(RESULTS))


@pytest.mark.parametrize(("name", "picture"), tuple(pictures(RESULTS)), ids=lambda value: value[:16])
def test_picture_is_drawn_from_what_was_kept_and_shown(name: str, picture: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == picture
    assert f"(benchmarks/{name})" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.package)
def test_page_names_the_version_that_is_installed(engine: Engine) -> None:
    assert f"`{engine.package}` {engine.version}\n" in PAGE.read_text(encoding="utf-8")
