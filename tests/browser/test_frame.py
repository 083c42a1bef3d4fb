"""Every page in a real browser: readable for axe, light and dark, wide and on a phone, without a mouse and without script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from cogento import runtime
from cogento.store.store import Store
from tests.browser.conftest import Console, Happened
from tests.support import builders
from tests.support.accessibility import axe_problems
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = [
    "",
    "?span=24h",
    "/waiting",
    "/waiting?state=paused",
    "/letters",
    "/activity",
    "/system",
    "/customers/cus_ada",
    "/nowhere",
]
ADA = builders.customer("cus_ada", email="ada@example.com", name="Ada " + "x" * 200)
LONG = "cus_" + "l" * 200


@pytest.fixture
def full(console: Console, applied: Happened, database_url: str, page: Page) -> Iterator[Console]:
    """A console with something to show on every page."""
    applied("customer.created", ADA, id_="evt_ada")
    store = runtime.run(Store.open(database_url, pool_size=1, application_name="test"))
    runtime.run(store.insert_dead_letters([letter("1"), letter("2")]))
    page.goto(f"{console.url}/waiting")
    for customer, why in ((LONG, "INC-7 " * 40), ("cus_short", "x" * 400)):
        page.get_by_label("Customer to pause").fill(customer)
        page.get_by_label("Why pause it?").fill(why)
        page.get_by_role("button", name="Pause customer").click()
        expect(page.get_by_role("link", name=customer, exact=True)).to_be_visible()
    yield console
    runtime.run(store.close())


def look(page: Page, address: str) -> list[str]:
    """Open a page, with everything on it that can be opened, and say what is wrong with it."""
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*axe_problems(page), *([f"{wide} px too wide"] if wide > 0 else [])]


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_axe_finds_nothing_and_nothing_overflows(
    chromium: Browser, full: Console, width: int, scheme: Literal["light", "dark"]
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    found = {address: look(page, f"{full.url}{address}") for address in PAGES}
    context.close()
    assert found == {address: [] for address in PAGES}
