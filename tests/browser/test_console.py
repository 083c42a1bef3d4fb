from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Console, pixels_too_wide
from tests.support import builders
from tests.support.stores import Happened

ADA = builders.customer("cus_ada", email="ada@example.com", name="Ada")
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
SEVERAL_SECONDS = 10_000


def test_rows_arrive_on_an_open_page(page: Page, own_console: Console, applied: Happened) -> None:
    page.goto(own_console.url)
    page.get_by_text("Recently changed").click()
    expect(page.get_by_text("No customer's row has changed in the last minutes.")).to_be_visible()
    applied("customer.created", ADA)
    expect(page.get_by_role("link", name="cus_ada")).to_be_visible(timeout=SEVERAL_SECONDS)
    expect(page.locator("svg.chart rect.applied")).to_have_count(1, timeout=SEVERAL_SECONDS)


def test_text_from_stripe_runs_nothing(page: Page, console: Console, applied: Happened) -> None:
    applied("customer.created", ADA | {"name": SCRIPT})
    page.goto(f"{console.url}/explain?id=cus_ada")
    expect(page.get_by_role("heading", name=SCRIPT)).to_be_visible()


def test_search_tells_the_story_of_an_event(page: Page, console: Console, applied: Happened) -> None:
    applied("customer.created", ADA, id_="evt_ada")
    page.goto(console.url)
    page.get_by_role("searchbox").fill("evt_ada")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="Ada")).to_be_visible()
    expect(page.get_by_text("evt_ada: applied")).to_be_visible()


def test_page_says_when_the_console_is_gone_and_goes_on_when_it_is_back(
    page: Page, own_console: Console
) -> None:
    page.goto(own_console.url)
    lost = page.get_by_text("Connection lost. The figures below are old.")
    expect(lost).to_be_hidden()
    own_console.stop()
    expect(lost).to_be_visible(timeout=SEVERAL_SECONDS)
    own_console.start()
    expect(lost).to_be_hidden(timeout=2 * SEVERAL_SECONDS)


def test_person_logs_in_and_out(page: Page, guarded: Console) -> None:
    page.goto(guarded.url)
    page.get_by_label("Your name").fill("ops-1")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    ready = page.get_by_role("heading", name="Ready for the first event")
    expect(ready).to_be_visible(timeout=SEVERAL_SECONDS)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.goto(guarded.url)
    expect(page).to_have_url(re.compile("/console/login$"))


def test_page_fits_any_screen(page: Page, console: Console, applied: Happened) -> None:
    applied("customer.created", builders.customer("cus_long", name="x" * 200))
    page.goto(console.url)
    page.get_by_text("Recently changed").click()
    expect(page.get_by_role("link", name="cus_long")).to_be_visible(timeout=SEVERAL_SECONDS)
    too_wide = {width: pixels_too_wide(page, width) for width in (360, 768, 1280)}
    assert too_wide == dict.fromkeys(too_wide, 0)


def test_page_is_dark_where_the_system_is_dark(page: Page, console: Console) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(console.url)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(18, 22, 20)"
