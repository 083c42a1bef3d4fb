"""Every page in a real browser: without problems for axe, light and dark, wide and on a phone, without a mouse and without script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from cogento import runtime
from cogento.store.activity import Action
from cogento.store.letter_records import LetterFilter
from cogento.store.operations import OperationKind, OperationState
from cogento.store.store import Store
from tests.browser.conftest import Console, pixels_too_wide
from tests.support import builders
from tests.support.accessibility import axe_problems
from tests.support.console_routes import addresses
from tests.support.store_letters import letter
from tests.support.stores import Happened

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTHS = (390, 640, 1280)
"""The one in the middle is what a window of 1280 px shows at twice the size."""
ROOT = "/console"
THERE = {"letter_id": "1", "number": "1", "customer_id": "cus_ada"}
NO_PAGES = {"/", f"{ROOT}/live", f"{ROOT}/explain"}  # a redirect, a part of a page, and a redirect again
PAGES = [
    *(path.removeprefix(ROOT) for path in addresses("GET", THERE) if path not in NO_PAGES),
    "?span=24h",
    "/waiting?state=paused",
    "/letters?status=all",
    "/letters/2",
    "/letters/3",
    "/customers/cus_ada?object=sub_ada",
    "/nowhere",
]
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ADA = builders.customer(
    "cus_ada",
    email=f"{SCRIPT}@example.com",
    name=SCRIPT + "x" * 200,
    phone=SCRIPT,
    description=SCRIPT,
    address={"line1": SCRIPT, SCRIPT: SCRIPT},
    metadata={SCRIPT: SCRIPT},
)
PLAN = builders.subscription(
    "sub_ada",
    customer="cus_ada",
    status=SCRIPT,
    metadata={SCRIPT: SCRIPT},
    items=[builders.item(product=SCRIPT)],
)
SEVERAL_SECONDS = 20_000
LONG = "cus_" + "l" * 200


@pytest.fixture
def full(console: Console, applied: Happened, database_url: str, page: Page) -> Iterator[Console]:
    """A console with something to show on every page."""
    applied("customer.created", ADA, id_="evt_ada")
    applied("customer.subscription.created", PLAN, id_="evt_plan", created=builders.NOW + 1)
    store = runtime.run(Store.open(database_url, pool_size=1, application_name="test"))
    runtime.run(insert_script(store))
    page.goto(f"{console.url}/waiting")
    for customer, why in ((LONG, "INC-7 " * 40), ("cus_short", SCRIPT + "x" * 400)):
        page.get_by_label("Customer to pause").fill(customer)
        page.get_by_label("Why pause it?").fill(why)
        page.get_by_role("button", name="Pause customer").click()
        expect(page.get_by_role("link", name=customer, exact=True)).to_be_visible()
    yield console
    runtime.run(store.close())


async def insert_script(store: Store) -> None:
    """Let script stand in every field of letters, open and closed, in what was done to them, and in an operation."""
    body = builders.event_body("customer.updated", ADA, id_="evt_2")
    foreign = dict.fromkeys(("event_type", "object_id", "message", "failure_code", "constraint_name"), SCRIPT)
    odd = {"customer_id": "cus_ada", "raw_body": body, "api_version": SCRIPT, **foreign}
    await store.insert_dead_letters([letter("1"), letter("2", **odd), letter("3", **odd)])
    ids = {str(one.event_id): one.id for one in await store.letters.page()}
    await store.letters.discard([ids["evt_3"]], who=SCRIPT, why=SCRIPT)
    begun = await store.operations.begin(
        OperationKind.RETRY, LetterFilter(text=SCRIPT), newest_letter=9, total=3, who=SCRIPT, why=SCRIPT
    )
    await store.operations.finish(begun, OperationState.FAILED, SCRIPT)
    details = {"letter": 1, SCRIPT: SCRIPT}
    record = store.activity.record
    await record(who=SCRIPT, action=Action.PAUSE, about=SCRIPT, why=SCRIPT, details=details)


def text_of(page: Page, address: str) -> str:
    """Open a page and read what it says."""
    page.goto(address)
    return page.get_by_role("main").inner_text()


def problems(page: Page, address: str) -> dict[str, list[str]]:
    """Open a page, with everything on it that can be opened, and say what is wrong with it in each window."""
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    wide = {width: pixels_too_wide(page, width) for width in WIDTHS}
    found = {"light": [f"{pixels} px too wide at {width}" for width, pixels in wide.items() if pixels]}
    page.set_viewport_size({"width": 1280, "height": 800})
    found["light"] += axe_problems(page)
    page.emulate_media(color_scheme="dark")
    found["dark"] = axe_problems(page, rules=["color-contrast"])
    page.set_viewport_size({"width": 390, "height": 800})
    found["dark on a phone"] = axe_problems(page)
    page.emulate_media(color_scheme="light")
    found["light on a phone"] = axe_problems(page, rules=["color-contrast"])
    return {window: what for window, what in found.items() if what}


def test_axe_finds_nothing_and_nothing_overflows(chromium: Browser, full: Console) -> None:
    page = chromium.new_page()
    found = {address: problems(page, f"{full.url}{address}") for address in PAGES}
    page.close()
    assert found == {address: {} for address in PAGES}


def test_a_keyboard_reaches_the_content_and_the_search(page: Page, console: Console) -> None:
    page.goto(console.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("cus_/")
    expect(page.get_by_role("searchbox")).to_have_value("cus_/")


def test_a_customer_is_paused_and_resumed_without_a_mouse(page: Page, console: Console) -> None:
    page.goto(f"{console.url}/waiting")
    page.get_by_label("Customer to pause").focus()
    page.keyboard.type("cus_keys")
    page.keyboard.press("Tab")
    page.keyboard.type("INC-7")
    page.keyboard.press("Enter")
    summary = page.get_by_label("Act on cus_keys")
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("fixed")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing waits.")).to_be_visible()
    page.get_by_role("link", name="Activity").click()
    expect(page.get_by_role("row", name=re.compile("resume.*cus_keys.*fixed"))).to_be_visible()


def test_the_pages_work_without_script(chromium: Browser, full: Console) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(full.url)
    expect(page.get_by_label("Live updates")).to_be_hidden()
    page.get_by_label("Pages").get_by_role("link", name="Waiting").click()
    page.get_by_label("Act on cus_short").click()
    row = page.get_by_role("row", name=re.compile("cus_short"))
    row.get_by_label("Why?").fill("fixed")
    row.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("link", name="cus_short")).to_have_count(0)
    context.close()


def test_live_updates_keep_focus_selection_and_what_is_open_and_can_be_stopped(
    page: Page, console: Console, applied: Happened
) -> None:
    applied("customer.created", builders.customer("cus_seen"), id_="evt_seen")
    page.goto(console.url)
    page.get_by_text("Recently changed").click()
    link = page.get_by_role("link", name="cus_seen")
    expect(link).to_be_visible(timeout=SEVERAL_SECONDS)
    link.focus()
    applied("customer.created", builders.customer("cus_new", email="new@example.com"), id_="evt_new")
    expect(page.get_by_role("link", name="cus_new")).to_be_visible(timeout=SEVERAL_SECONDS)
    expect(link).to_be_focused()

    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    checked = page.locator(".verdict time").inner_text()
    for_nothing = [page.wait_for_event("response", lambda answer: "/live" in answer.url) for _ in range(2)]
    assert [answer.status for answer in for_nothing] == [200, 200]
    assert page.evaluate("String(getSelection())") == page.locator("h1").inner_text()
    assert page.locator(".verdict time").inner_text() == checked

    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator(".verdict time")).not_to_have_text(checked, timeout=SEVERAL_SECONDS)
    page.get_by_label("Live updates").uncheck()
    stopped = page.locator(".verdict time").inner_text()
    page.wait_for_timeout(3000)  # nothing is to happen
    assert page.locator(".verdict time").inner_text() == stopped


def test_text_from_outside_runs_nothing_and_breaks_no_policy(page: Page, full: Console) -> None:
    # Whatever the browser complains of, a policy that was broken or a dialog that opened, fails the test.
    shown = {address: page.goto(f"{full.url}{address}") for address in PAGES[:-1]}
    assert {address: answer and answer.status for address, answer in shown.items()} == dict.fromkeys(
        shown, 200
    )
    # What stands everywhere is seen on every page but those that tell of no customer and no letter of it.
    telling = [address for address in PAGES if address.startswith(("/letters", "/customers", "/op", "/act"))]
    silent = [address for address in telling if SCRIPT not in text_of(page, f"{full.url}{address}")]
    assert silent == ["/customers/cus_ada/forget", "/letters/1"]
    page.goto(f"{full.url}/waiting?state=paused")
    expect(page.get_by_text(SCRIPT)).to_be_visible()
    page.goto(f"{full.url}/activity?about={SCRIPT}")
    expect(page.get_by_label("About")).to_have_value(SCRIPT)
