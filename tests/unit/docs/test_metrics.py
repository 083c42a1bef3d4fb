"""Every metric is on the page that lists it, with its labels, and none is listed that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.metric_names import DECLARED, RECEIVERS

DOCS = Path(__file__).parents[3] / "docs"


def documented(page: str) -> dict[str, tuple[str, ...]]:
    """The names in the first cells of a page's tables, with their labels."""
    cells = re.findall(r"^\| (`cogento_.*?) \|", (DOCS / page).read_text(), flags=re.MULTILINE)
    named = [found for cell in cells for found in re.findall(r"`(cogento_\w+)(?:\{([\w,]+)\})?`", cell)]
    return {name: tuple(labels.split(",")) if labels else () for name, labels in named}


@pytest.mark.parametrize(
    ("page", "metrics"), [("operations.md", DECLARED), ("receiver.md", RECEIVERS)], ids=["shared", "receiver"]
)
def test_the_page_lists_exactly_what_there_is(page: str, metrics: dict[str, tuple[str, ...]]) -> None:
    assert documented(page) == metrics, f"a row in a table of docs/{page} for each metric"


def test_no_name_is_both_the_receiver_s_own_and_shared() -> None:
    """Else a receiver would show it twice, and Prometheus would refuse all of it."""
    assert not DECLARED.keys() & RECEIVERS.keys()
