"""Dead letters on the page: found from the overview, explained, retried, discarded with a reason."""

from __future__ import annotations

import getpass
import re
from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

from cogento import runtime
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.store import Store
from tests.browser.conftest import PASSWORD, Console, pixels_too_wide
from tests.support import builders
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from cogento.store.letter_records import Letter

WHO = f"{getpass.getuser()} (console)"
CANARY = "ada.canary@example.com"
EVERY = LetterFilter(statuses=frozenset(LetterStatus))


def insert_letters(store: Store, *numbers: int, reason: str = "bug") -> None:
    ada = builders.customer(email=CANARY)
    bodies = {n: builders.event_body("customer.updated", ada, id_=f"evt_{n}") for n in numbers}
    runtime.run(
        store.insert_dead_letters(
            [letter(str(n), raw_body=body, reason=reason) for n, body in bodies.items()]
        )
    )


def kept(store: Store) -> dict[str, Letter]:
    return {one.event_id: one for one in runtime.run(store.letters.page(EVERY))}


def test_letters_are_found_from_the_overview_by_cause_and_explained(
    page: Page, console: Console, store: Store
) -> None:
    insert_letters(store, 1, 2)
    insert_letters(store, 3, reason="malformed")
    page.goto(console.url)
    page.get_by_role("navigation").get_by_role("link", name="Dead letters").click()
    expect(page.get_by_role("table", name="Causes").locator("tr:has(td)")).to_have_count(2)
    page.get_by_role("link", name="The 2 of this cause").click()
    expect(page.get_by_text("evt_1", exact=True)).to_be_visible()
    expect(page.get_by_text("evt_3", exact=True)).to_be_hidden()
    page.get_by_role("row", name=re.compile("evt_1")).get_by_role("link").first.click()
    expect(page.get_by_text("Open.", exact=True)).to_be_visible()
    expect(page.get_by_text("Report it with its type, code and fingerprint")).to_be_visible()
    assert CANARY not in page.content()


def test_a_letter_is_put_back(page: Page, console: Console, store: Store) -> None:
    insert_letters(store, 1)
    page.goto(f"{console.url}/letters/{kept(store)['evt_1'].id}")
    page.get_by_label("Why it will work now").fill("fixed")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("its event is queued for its customer")).to_be_visible()
    expect(page.get_by_role("cell", name=WHO)).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_hidden()
    assert kept(store)["evt_1"].status is LetterStatus.RETRYING


def test_a_letter_is_discarded_with_a_reason_by_who_is_logged_in_and_opened_again(
    page: Page, guarded: Console, store: Store
) -> None:
    insert_letters(store, 1)
    page.goto(guarded.url)
    page.get_by_label("Your name").fill("ops-1")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("navigation").get_by_role("link", name="Dead letters").click()
    page.get_by_role("row", name=re.compile("evt_1")).get_by_role("link").first.click()
    page.get_by_role("button", name="Discard").click()
    assert kept(store)["evt_1"].status is LetterStatus.OPEN  # the browser wants the reason first
    page.get_by_label("Reason for discarding").fill("test data")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("Discarded by ops-1 (console): test data")).to_be_visible()
    assert kept(store)["evt_1"].resolution == "test data"
    page.get_by_label("Why it is needed after all").fill("wrong letter")
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.get_by_role("cell", name="wrong letter")).to_be_visible()
    assert kept(store)["evt_1"].status is LetterStatus.OPEN


def test_the_pages_fit_any_screen(page: Page, console: Console, store: Store) -> None:
    insert_letters(store, 1)
    one = kept(store)["evt_1"]
    too_wide = {
        (address, width): pixels_too_wide(page, width)
        for address in ("letters", f"letters?fingerprint={one.fingerprint}", f"letters/{one.id}")
        if page.goto(f"{console.url}/{address}")
        for width in (360, 1280)
    }
    assert too_wide == dict.fromkeys(too_wide, 0)
    assert len(too_wide) == 6
