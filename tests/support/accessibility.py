"""Problems that axe-core finds on an open page for people with a screen reader, a keyboard or weak eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Page


def axe_problems(page: Page, *, rules: Sequence[str] = ()) -> list[str]:
    """Return a line for each element that breaks one of axe's rules, all or these, with what would fix it."""
    is_there = page.evaluate("'axe' in window")  # half a megabyte, once a page
    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    found = Axe("" if is_there else AXE_SCRIPT).run(page, options={"resultTypes": ["violations"], **only})
    return [
        f"{violation['id']} at {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]
