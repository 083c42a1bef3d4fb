"""A customer's page in a real browser: found by the search, its events filtered and paged, paused and resumed."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

from cogento import runtime
from cogento.store.store import Store
from tests.support import builders
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from tests.browser.conftest import Console
    from tests.support.stores import Happened

NOW = builders.NOW
WHO = f"{getpass.getuser()} (console)"
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ADA = builders.customer("cus_ada", email="ada@example.com", name="Ada")
PLAN = builders.subscription("sub_ada", customer="cus_ada", status="active")


def test_a_customer_is_found_paused_and_resumed(
    page: Page, console: Console, applied: Happened, store: Store
) -> None:
    applied("customer.created", ADA, id_="evt_ada")
    applied("customer.subscription.created", PLAN, id_="evt_plan", created=NOW + 1)
    page.goto(console.url)
    page.keyboard.press("/")
    page.keyboard.type("sub_ada")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ada")).to_be_visible()
    timeline = page.get_by_role("table", name="Timeline, newest first")
    expect(timeline.locator("tbody tr")).to_have_count(1)
    page.get_by_role("navigation", name="Object").get_by_role("link", name="All").click()
    expect(timeline.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Why its events shall wait").fill("INC-7")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("INC-7")).to_be_visible()
    page.get_by_label("Why its events may go on").fill("fixed")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    done = [(one.action, one.who, one.why) for one in runtime.run(store.activity.page(about="cus_ada"))]
    assert done == [("resume", WHO, "fixed"), ("pause", WHO, "INC-7")]


def test_text_from_outside_runs_nothing_on_any_page(
    page: Page, console: Console, applied: Happened, store: Store
) -> None:
    applied("customer.created", ADA | {"name": SCRIPT, "email": f"{SCRIPT}@example.com"}, id_="evt_ada")
    body = builders.event_body("customer.updated", ADA | {"name": SCRIPT, SCRIPT: SCRIPT}, id_="evt_1")
    foreign = {"event_type": SCRIPT, "object_id": SCRIPT, "message": SCRIPT, "failure_code": SCRIPT}
    runtime.run(store.insert_dead_letters([letter("1", raw_body=body, customer_id="cus_ada", **foreign)]))
    number = runtime.run(store.letters.page())[0].id
    page.goto(f"{console.url}/customers/cus_ada")
    expect(page.get_by_role("heading", name=SCRIPT)).to_be_visible()
    page.goto(f"{console.url}/letters")
    expect(page.get_by_text(SCRIPT).first).to_be_visible()
    page.goto(f"{console.url}/letters/retry")
    expect(page.get_by_text(SCRIPT).first).to_be_visible()
    page.goto(f"{console.url}/letters/{number}")
    page.get_by_label("Why its values have to be seen").fill(SCRIPT)
    page.get_by_role("button", name="Reveal").click()
    expect(page.get_by_text("Mask it again")).to_be_visible()
    page.get_by_label("Reason for discarding").fill(SCRIPT)
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("cell", name=SCRIPT)).to_be_visible()
